# Everything here runs in an environment of its own, which the first command builds.
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed

.PHONY: run test bundle lint bench clean

run: $(INSTALLED)
	@$(VENV)/bin/python -m local.sync

test: $(INSTALLED)
	$(VENV)/bin/python -m pytest

bundle: $(INSTALLED)
	@$(VENV)/bin/python -m local.bundle dist

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy source_notion local benchmarks

# Ours and the published connector, over the same workspaces; FULL=1 takes larger ones.
bench: $(INSTALLED)
	@$(VENV)/bin/python -m benchmarks.bench $(if $(FULL),--full)

$(INSTALLED): requirements.txt pyproject.toml
	@echo "Building the environment in $(VENV): this takes a minute or two, once."
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

clean:
	rm -rf $(VENV) .venv-peer dist notion.duckdb .airbyte-cache
