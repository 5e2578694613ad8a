# Every target works from a fresh clone; nothing is installed outside .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SMALL := $(VENV)/.installed-demo
FULL := $(VENV)/.installed-dev
CUDA := $(VENV)/.installed-gpu-check
LOWEST := $(VENV)/lowest
# one process a core, at most four: more only repeat the compilation of the kernels
WORKERS ?= logical
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check

# two pips in one environment spoil each other
.NOTPARALLEL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help install demo test test-all hostile lowest lint format gpu-check notebooks bench claims digest clean

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## /\1|/p' Makefile | \
	  while IFS='|' read -r target text; do printf '  make %-10s %s\n' "$$target" "$$text"; done

install: $(FULL) .links/gossamer ## make .venv with gossamer (editable) and all development tools

demo: $(if $(wildcard $(FULL)),$(FULL),$(SMALL)) ## install what a first look needs, and show gossamer at work
	@$(BIN)/gossamer demo

test: install lint ## lint, then all tests but the slow ones
	$(PYTEST) -m "not slow"

test-all: install lint ## lint, then all tests
	$(PYTEST)

hostile: install ## mutated files, killed processes and the like, many times over: counts, and failures
	GOSSAMER_HOSTILE=15 $(PYTEST) tests/hostile

# old packages call what newer ones, that they bring along, deprecate
lowest: ## try a part of the tests with the lowest versions of all dependencies, in .venv/lowest
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python .ci/lowest.py > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip -qq --disable-pip-version-check install \
	  --constraint $(LOWEST)/lowest.txt ".[plot,data]" pytest hypothesis
	NUMBA_CACHE_DIR=$(LOWEST)/cache OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -q -m "not slow" \
	  -W ignore::DeprecationWarning \
	  tests/kernels/test_jit.py tests/kernels/test_gossip.py tests/graphs/test_graph.py \
	  tests/graphs/test_mixing.py tests/problems/losses/test_logistic.py tests/solvers/base/test_base.py tests/cli/test_run.py

lint: install ## style, spelling, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/typos
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

format: install ## repair what ruff can repair
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

gpu-check: install $(CUDA) ## compile the CUDA kernels, no GPU needed: registers, and failure on spills
	$(BIN)/python tests/cuda_on_cpu/nvrtc.py

notebooks: install ## bring each notebook and its text form in line; the newer one wins
	$(BIN)/jupytext --quiet --sync notebooks/*.py

bench: install ## time the kernels and solvers on this (quiet) machine: bench/RESULTS.md
	@mkdir -p out
	$(BIN)/python -m pytest bench -q --benchmark-only --benchmark-json=out/benchmark.json
	@$(BIN)/python -m gossamer.bench.report out/benchmark.json

claims: install ## print each number that README.md claims, the value that the repository gives, and the verdict
	@$(BIN)/python -m gossamer.bench.claims

# a change that keeps the bits names the commit before its first edit
BASE ?= HEAD
BEFORE := out/digest/gossamer
digest: install ## compare the bits of runs of all solvers, of the commit BASE and of the working tree
	@mkdir -p out/digest
	@if [ -e $(BEFORE) ]; then git worktree remove --force $(BEFORE); fi
	git worktree add --quiet --detach $(BEFORE) $(BASE)
	PYTHONPATH=out/digest OMP_NUM_THREADS=1 $(BIN)/python tests/digest/digest.py out/digest/before.json
	OMP_NUM_THREADS=1 $(BIN)/python tests/digest/digest.py out/digest/after.json
	git worktree remove --force $(BEFORE)
	$(BIN)/python tests/digest/digest.py --compare out/digest/before.json out/digest/after.json

clean: ## remove builds and caches (.venv stays)
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .benchmarks .import_linter_cache
	find . \( -name .git -o -name $(VENV) \) -prune -o -name __pycache__ -type d -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "gossamer needs Python 3.11 or newer, and '$(PYTHON)' is not:"; $(PYTHON) --version; \
	  echo "name another one, for example: make PYTHON=python3.12 $(or $(MAKECMDGOALS),install)"; exit 1; } >&2
	$(PYTHON) -m venv $(VENV)

# pyproject.toml says what to install, _version.py what is installed: their dates decide.
$(SMALL): pyproject.toml _version.py | $(BIN)/python
	@echo "installing gossamer and what its demo needs into $(VENV)"
	@$(PIP) install --editable ".[plot,data]"
	@touch $@

$(FULL): pyproject.toml _version.py | $(BIN)/python
	@echo "installing gossamer and its development tools into $(VENV)"
	@$(PIP) install --editable ".[dev]"
	@touch $@

$(CUDA): pyproject.toml | $(FULL)
	@echo "installing CuPy and NVRTC (about 500 MB) into $(VENV)"
	@$(PIP) install --editable ".[gpu-check]"
	@touch $@

# type checkers cannot follow the mapping of the root to `gossamer`; they can follow this link
.links/gossamer:
	@mkdir -p .links
	@ln -sfn .. $@
