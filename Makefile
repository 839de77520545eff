# Everything a developer runs. `make test` and `make demo` need Python 3.11 or 3.12 and nothing else: they set up .venv first.
#
#   make PYTHON=/path/to/python3.12 test     another interpreter
#   make PIP_ARGS="--extra-index-url URL"    options for pip; with PyTorch's CPU index the download is smaller by several GB on Linux
#   make PYTEST_ARGS="-k vnet -x" pytest     options for pytest

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TORCH ?= torch==2.13.0
PIP_ARGS ?=
PYTEST_ARGS ?=
WORKERS ?= 2

# A command of that name may be a shim that fails, or a Python without venv: take the first that can do the work.
PYTHON ?= $(shell for python in python3.11 python3.12 python3 python; do \
	if $$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12)})' >/dev/null 2>&1; \
	then echo $$python; break; fi; done)

.PHONY: help setup test lint types imports docs pytest tree demo bench clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: $(READY)  ## create .venv with the tested versions

# torch first and by exact version: pip then takes the CPU wheel wherever it finds one.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or 3.12 with venv was found. Install one, or name it: make PYTHON=/path/to/python3.12 setup" >&2; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@echo "Setting up $(VENV) with $(PYTHON): a few minutes, once"
	$(BIN)/python -m pip install -qq $(PIP_ARGS) "$(TORCH)" -c constraints.txt
	$(BIN)/python -m pip install -qq $(PIP_ARGS) -c constraints.txt -e ".[dev]"
	@touch $@

test: lint types imports docs pytest  ## everything that must hold before a change is taken

lint: $(READY)  ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## static types
	$(BIN)/mypy

imports: $(READY)  ## imports point one way
	$(BIN)/lint-imports

docs: $(READY)  ## the methods' pages, and the site in site/; a broken link fails it
	$(BIN)/python tools/method_pages.py
	PYTHONPATH=. $(BIN)/zensical build --strict --clean

# One thread a worker: the workers share the cores, and the order of a sum does not depend on the machine.
pytest: $(READY)  ## the tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

tree: $(READY)  ## bring the tree in docs/design.md up to date
	$(BIN)/python tools/design_tree.py

demo: $(READY)  ## synthetic scans, a training with and without the unlabelled ones, a report
	$(BIN)/semiseg demo

# DATA holds LA/ and ACDC/ as published; on a machine that does nothing else. 12 minutes on 2 cores.
bench: $(READY)  ## how much faster than the released scripts: make bench DATA=folder
	@test -n "$(DATA)" || { echo "Say where LA/ and ACDC/ are: make bench DATA=folder" >&2; exit 1; }
	$(BIN)/python benchmarks/speed "$(DATA)"

clean:  ## remove what building and testing made, .venv too
	rm -rf $(VENV) site build dist .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
