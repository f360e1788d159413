# Each target sets up what it needs: a .venv with an editable install, made again when pyproject.toml changes.
# PYTHON chooses the interpreter for it (3.11 or newer); PIP_ARGS goes to pip, ARGS to the search.

PYTHON ?= python3
SPACE ?= spaces/tradeoff.yaml
RUN ?= runs/$(basename $(notdir $(SPACE)))
PIP_ARGS ?=
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
# Whole files side by side; of all tests, two rows of real runs (tests/conftest.py), which wait a lot, and the rest.
PYTEST := $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run test check lint install clean

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

# A run folder is never overwritten: an existing one is continued, which adds nothing to a finished run.
run: $(READY) ## Search spaces/tradeoff.yaml into runs/tradeoff, or continue that run; e.g. ARGS="--trials 32"
	@if [ -e "$(RUN)/space.yaml" ] && [ -z "$(findstring --out,$(ARGS))$(findstring --resume,$(ARGS))" ]; then \
		echo "$(RUN) exists and is continued; for a new run: make run ARGS=\"--out runs/NAME\", or remove it"; \
		exec $(BIN)/python -m search.run $(SPACE) --resume $(ARGS); \
	else \
		exec $(BIN)/python -m search.run $(SPACE) $(ARGS); \
	fi

test: lint ## Lint, types and every test, real Ray included
	$(PYTEST) -n 3

check: lint ## Lint, types and the fast tests
	$(PYTEST) -n logical --maxprocesses 4 -m "not slow and not gpu"

lint: $(READY) ## Ruff (rules and format) and mypy
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

install: $(READY) ## Only set up .venv

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is not: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { \
		echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }
	@echo "Installing into $(VENV); the first time this takes some minutes"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -e '.[dev]'
	@touch $@

clean: ## Remove .venv and caches; runs/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
