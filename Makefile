# Everything a checkout can do. Needs Python 3.10+ with pip, git and make; the rest is installed into .venv from PyPI.
.DEFAULT_GOAL := help
.PHONY: help demo test soak bench-tap bench-target bench-ledger bench-currents lint format constraints clean
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
UV := $(BIN)/uv
DBT := .venv-dbt/.ready

# With it set, every start of a Singer plugin compiles the SDK anew: 1.9 s instead of 0.7 s.
unexport PYTHONDONTWRITEBYTECODE

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(READY) $(DBT) ## CSV -> Braze -> PostgreSQL -> dbt -> a chart, on this machine: no account, no Docker, nothing left running
	@$(BIN)/python -m demo.run

test: $(READY) $(DBT) ## Every test; one of them with make test ARGS='-k name'
	@$(BIN)/python -m pytest $(ARGS)

soak: $(READY) ## The target under random faults and kills for ten minutes; one again with ARGS='--seed N'
	@$(BIN)/python -m tests.target.chaos $(ARGS)

bench-tap: $(READY) ## How fast the tap reads 500 campaigns and 400 days; more with ARGS='--help'
	@$(BIN)/python -m bench.tap $(ARGS)

bench-target: $(READY) ## How fast the target delivers a million records; more with ARGS='--help'
	@$(BIN)/python -m bench.target $(ARGS)

bench-ledger: $(READY) ## How large and how fast the ledger is with half a million users; more with ARGS='--help'
	@$(BIN)/python -m bench.ledger $(ARGS)

bench-currents: $(READY) ## How fast the tap reads 5 million events of Currents; more with ARGS='--help'
	@$(BIN)/python -m bench.currents $(ARGS)

lint: $(READY) ## Style and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

format: $(READY) ## Put the code into its format
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

# Not on .ready, which cannot be made while an old pin stands against a new dependency.
constraints: $(UV) ## Pin the newest versions of everything in constraints.txt
	@UV_PYTHON_DOWNLOADS=never $(UV) pip compile --quiet --upgrade --universal --python-version 3.10 --no-header \
		--no-annotate --no-emit-index-url --no-emit-find-links --group lint --group test --group plugins \
		tap-braze/pyproject.toml target-braze/pyproject.toml braze-sandbox/pyproject.toml demo/tap-csv/pyproject.toml \
		--output-file constraints.txt > /dev/null
	@UV_PYTHON_DOWNLOADS=never $(UV) pip compile --quiet --upgrade --universal --python-version 3.10 --no-header \
		--no-annotate --no-emit-index-url --no-emit-find-links --group dbt \
		--output-file dbt-braze/constraints.txt > /dev/null

clean: ## Remove what the targets above made
	@rm -rf .venv .venv-dbt .meltano .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The virtual environment. pip works on it from outside, because Debian's Python makes no virtual environments with pip
# in them unless python3-venv is installed, and because that is quicker everywhere.
$(UV):
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 10) and sys.exit("Python 3.10 or newer is needed, and $(PYTHON) is %d.%d. Another one: make PYTHON=python3.13" % sys.version_info[:2])'
	@$(PYTHON) -m venv --without-pip .venv
	@$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --constraint constraints.txt uv

$(READY): $(UV) Makefile constraints.txt pyproject.toml $(wildcard */pyproject.toml)
	@echo "Setting up .venv: once, and again when a dependency changes"
	@$(UV) pip install --python $(BIN)/python --constraint constraints.txt --group dev
	@touch $@

# dbt has a virtual environment of its own: its pins of pathspec and others exclude those of mypy. dbt before 1.12 does not
# run on Python 3.14, so uv looks for an older one on this machine; without one, no dbt, and what needs it says so.
$(DBT): $(UV) Makefile dbt-braze/constraints.txt pyproject.toml
	@echo "Setting up .venv-dbt: once, and again when a dependency changes"
	@rm -rf .venv-dbt
	@export UV_PYTHON_DOWNLOADS=never; \
	if $(UV) python find --quiet '>=3.10,<3.14' > /dev/null 2>&1; then \
		$(UV) venv --quiet --no-project --python '>=3.10,<3.14' .venv-dbt && \
		$(UV) pip install --quiet --python .venv-dbt/bin/python --constraint dbt-braze/constraints.txt --group dbt; \
	else \
		echo "No Python 3.10 to 3.13 is installed, and dbt runs on no other: going on without dbt"; mkdir .venv-dbt; \
	fi
	@touch $@
