# Everything here runs in an environment of its own, which the first command builds.
PYTHON ?= python3
VENV := .venv
PEER := .venv-peer
GATES := .venv-gates
INSTALLED := $(VENV)/.installed
INSTALL := bin/python -m pip install --quiet --quiet --disable-pip-version-check
PIP := $(VENV)/$(INSTALL)
SUPPORTED := (3, 10) <= sys.version_info[:2] <= (3, 12)

.PHONY: run test test-bundle bundle gates release lint bench clean

run: $(INSTALLED)
	@$(VENV)/bin/python -m tools.sync

test: $(INSTALLED)
	$(VENV)/bin/python -m pytest

# The tests of streams once more, on the bundle.
test-bundle: bundle
	SOURCE_NOTION_BUNDLE=dist $(VENV)/bin/python -m pytest unit_tests

bundle: $(INSTALLED)
	@$(VENV)/bin/python -m tools.bundle dist

# Airbyte's own checks, on the bundle, as far as they go without a network.
gates: bundle $(GATES)/.installed
	@$(VENV)/bin/python -m tools.gates dist $(GATES)/bin

# The bundle with its base image pinned; needs Docker and a network.
release: bundle
	@$(VENV)/bin/python -m tools.release dist

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy source_notion fake_notion tools benchmarks

# Ours and the published connector, over the same workspaces; FULL=1 takes larger ones.
bench: $(INSTALLED) $(PEER)/.installed
	@$(VENV)/bin/python -m benchmarks.measure $(if $(FULL),--full)
	@$(VENV)/bin/python -m benchmarks.report

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

# The published connector takes Python 3.10 or 3.11. Without one, make bench measures ours without it.
$(PEER)/.installed: benchmarks/requirements-peer.txt
	@rm -rf $(PEER)
	@for python in $(PYTHON) python3.11 python3.10; do \
		$$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 11))' 2>/dev/null || continue; \
		echo "Building the environment of the published connector in $(PEER), once"; \
		$$python -m venv $(PEER) && $(PEER)/$(INSTALL) --requirement $< && touch $@; exit; \
	done

# Newer than what make run needs, so it has an environment of its own.
$(GATES)/.installed: tools/requirements-gates.txt
	@rm -rf $(GATES)
	@echo "Building the environment of Airbyte's checks in $(GATES), once"
	@$(PYTHON) -m venv $(GATES)
	@$(GATES)/$(INSTALL) --requirement $<
	@touch $@

clean:
	rm -rf $(VENV) $(PEER) $(GATES) dist .airbyte-cache
	@echo "Databases (*.duckdb) stay. Delete them to read everything anew."
