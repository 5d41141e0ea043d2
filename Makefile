# Everything here runs in an environment of its own, which the first command builds.
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
PIP := $(VENV)/bin/python -m pip install --quiet --quiet --disable-pip-version-check
SUPPORTED := (3, 10) <= sys.version_info[:2] <= (3, 12)

.PHONY: run test bundle lint bench clean

run: $(INSTALLED)
	@$(VENV)/bin/python -m tools.sync

test: $(INSTALLED)
	$(VENV)/bin/python -m pytest

bundle: $(INSTALLED)
	@$(VENV)/bin/python -m tools.bundle dist

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy source_notion local tools benchmarks

# Ours and the published connector, over the same workspaces; FULL=1 takes larger ones.
bench: $(INSTALLED)
	@$(VENV)/bin/python -m benchmarks.bench $(if $(FULL),--full)

# An environment that another PYTHON has built is built anew.
ifneq ($(origin PYTHON),file)
ifneq ($(PYTHON),$(shell cat $(INSTALLED) 2>/dev/null))
.PHONY: $(INSTALLED)
endif
endif

$(INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not $(SUPPORTED))' 2>/dev/null || { \
		echo "$(PYTHON) is not Python 3.10, 3.11 or 3.12, which PyAirbyte needs. Name one of them:"; \
		echo "make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; } >&2
	@echo "1/3 Building the environment in $(VENV), once"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@echo "2/3 Installing the packages of requirements.txt: a minute or two"
	@$(PIP) --requirement requirements.txt
	@echo "3/3 Installing the connector"
	@$(PIP) --no-deps --editable .
	@echo $(PYTHON) > $@

clean:
	rm -rf $(VENV) .venv-peer dist .airbyte-cache
	@echo "Databases (*.duckdb) stay. Delete them to read everything anew."
