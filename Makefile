# Everything here runs in an environment of its own, which the first command builds.
PYTHON ?= python3
VENV := .venv
PEER := .venv-peer
GATES := .venv-gates
INSTALLED := $(VENV)/.installed
INSTALL := bin/python -m pip install --quiet --quiet --disable-pip-version-check
PIP := $(VENV)/$(INSTALL)
TESTS := unit_tests
SUPPORTED := (3, 10) <= sys.version_info[:2] <= (3, 12)

.PHONY: help run test test-bundle bundle gates release lint bench clean

# The targets below, with what their `##` says.
help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14
	@echo "To choose a Python, 3.10 to 3.12: make run PYTHON=python3.12"

run: $(INSTALLED) ## Sync a workspace into a DuckDB file: the one of NOTION_TOKEN, or a sample
	@$(VENV)/bin/python -m tools.sync

test: $(INSTALLED) ## Run all tests; they need no Notion account
	$(VENV)/bin/python -m pytest

test-bundle: bundle ## Run the tests of streams once more, on the self-contained connector
	SOURCE_NOTION_BUNDLE=dist $(VENV)/bin/python -m pytest $(TESTS)

bundle: $(INSTALLED) ## Write the self-contained connector to dist/
	@$(VENV)/bin/python -m tools.bundle dist

gates: bundle $(GATES)/.installed ## Run Airbyte's own checks on the bundle, as far as they go without a network
	@$(VENV)/bin/python -m tools.gates dist $(GATES)/bin

release: bundle ## Pin the bundle's base image; needs Docker and a network
	@$(VENV)/bin/python -m tools.release dist

lint: $(INSTALLED) ## Check style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(INSTALLED) $(PEER)/.installed ## Measure beside the published connector; FULL=1 measures more
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

# Airbyte's checks take Python 3.11 or 3.12, and newer packages than make run needs.
$(GATES)/.installed: tools/requirements-gates.txt
	@rm -rf $(GATES)
	@for python in $(PYTHON) python3.11 python3.12; do \
		$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null || continue; \
		echo "Building the environment of Airbyte's checks in $(GATES), once"; \
		$$python -m venv $(GATES) && $(GATES)/$(INSTALL) --requirement $< && touch $@; exit; \
	done; echo "Airbyte's checks need Python 3.11 or 3.12: make gates PYTHON=python3.12" >&2; exit 1

clean: ## Remove environments, dist/ and logs; databases stay
	rm -rf $(VENV) $(PEER) $(GATES) dist .airbyte-cache
	@echo "Databases (*.duckdb) stay. Delete them to read everything anew."
