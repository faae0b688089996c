# Verbs for people and CI alike. They need Python >= 3.11 with pip, and make; nothing else.
PYTHON ?= python3
# Processes that tests run in, each with servers of its own.
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cat requirements-dev.lock pyproject.toml 2>/dev/null | cksum | cut -d' ' -f1)

# The tests and the demo start many processes: without stored bytecode each compiles all of our modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo up test lint types fmt bench docs lock clean-data clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# pip compiles no bytecode: to compile every package takes longer than to compile, once, what is imported.
$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Redraft needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Could not make a virtual environment: install your system's python3-venv package."; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.installed-*
	@touch $@

install: $(STAMP) ## Make .venv with everything the lock names, and .venv/bin/redraft

demo: install ## Walk through the whole loop in the terminal, on a stack started for it
	@$(BIN)/redraft demo $(ARGS)

up: install ## Start PostgreSQL, Temporal, model server, API and worker; stop with Ctrl-C
	@$(BIN)/redraft up $(ARGS)

test: install ## Run the whole suite (pass options to pytest in ARGS)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

lint: install ## Style, import contracts, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

types: install ## Types only
	$(BIN)/mypy

fmt: install ## Format the code and sort the imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install ## Print the ratios of docs/benchmarks.md, each side by side in one run
	$(BIN)/python -m bench $(ARGS)

docs: install ## Check that the docs name every setting and endpoint
	$(BIN)/python -m pytest -q tests/test_docs.py

lock: ## Compile the hashed locks anew from pyproject.toml (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --override overrides.txt --extra dev -o requirements-dev.lock pyproject.toml
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --override overrides.txt -c requirements-dev.lock -o requirements.lock pyproject.toml

clean-data: ## Forget everything the embedded stack has stored
	@$(BIN)/redraft clean-data

clean: ## Remove .venv and caches (not the data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
