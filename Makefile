# What a newcomer types. Everything lives in .venv; nothing is installed elsewhere.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export UV_PYTHON_DOWNLOADS := never
# One line a target, for `make help`: its comment after ##.
.DEFAULT_GOAL := help

.PHONY: help setup demo check format lint types test test-fast faults coverage bench lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(VENV)/.ready ## Make the environment from the locked requirements

$(VENV)/.ready: requirements/dev.txt requirements/tools.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Rollwright needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "setup: making .venv from the locked requirements"
	@test -x $(BIN)/uv || { $(PYTHON) -m venv --clear $(VENV) \
	  && $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt; }
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/tools.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@$(BIN)/python -m compileall -q src  # an editable install is not compiled by itself
	@touch $@

demo: setup ## Roll out a small application to a real control plane on this machine
	@$(BIN)/python deployments/demo.py

check: setup format lint types test ## Everything that must hold before a commit lands

format:
	@$(BIN)/ruff format --check .

lint:
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-cache

types:
	@$(BIN)/mypy
	@$(BIN)/basedpyright

# What needs no server of its own shares the cores; what starts, stops and kills servers is alone
# with them; what talks to one control plane mostly waits.
PURE := $(addprefix tests/,unit golden property site older contract http webhooks)

test: setup ## Run the tests, with the sandbox
	@$(BIN)/rollwright sandbox build
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile $(PURE)
	@$(BIN)/python -m pytest -q $(addprefix --ignore=,$(PURE) tests/cluster) tests
	@$(BIN)/python -m pytest -q -n 3 tests/cluster

faults: setup ## Try all kill points and bad answers, not only a sample of them (ten minutes)
	@$(BIN)/rollwright sandbox build
	@ROLLWRIGHT_FAULTS=all $(BIN)/python -m pytest -q tests/faults

coverage: setup ## Run the tests and show which branches no test reaches
	@$(BIN)/rollwright sandbox build
	@$(BIN)/python -m pytest -q --cov --cov-report=term:skip-covered

test-fast: setup ## Run the tests that need no server (seconds)
	@$(BIN)/python -m pytest -q tests/unit tests/golden tests/property tests/site

bench: setup ## Measure against the limit, kubectl and helm, side by side
	@$(BIN)/python -m benchmarks

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

lock: ## Compile the requirement files anew from pyproject.toml
	@$(LOCK) $(UPGRADE) --all-extras --group dev pyproject.toml -o requirements/dev.txt
	@$(LOCK) $(UPGRADE) pyproject.toml -o requirements/base.txt
	@$(LOCK) $(UPGRADE) --no-deps requirements/tools.in -o requirements/tools.txt
	@$(LOCK) $(UPGRADE) --no-deps requirements/uv.in -o requirements/uv.txt

clean: ## Remove the environment and everything that was generated
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage dist
