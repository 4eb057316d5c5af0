# Two commands on a fresh machine: `make run` and `make test`. Needs CPython 3.11 to 3.14.

# The newest of these that runs here: on PATH, or one of pyenv's. `make PYTHON=python3.12` takes another;
# an environment that is there stays with its own until `make clean`.
ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for minor in 14 13 12 11; do \
    for each in python3.$$minor $$(pyenv root 2>/dev/null)/versions/3.$$minor.*/bin/python; do \
    $$each -c '' 2>/dev/null && echo $$each && exit; done; done)
endif
VENV := .venv
BIN := $(VENV)/bin
# of the tests; one more than two cores, since some wait for what they started
JOBS ?= 3
# versions that the tests were run with; `make test-newest` takes the newest ones
LOCK = -c constraints/$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt

.PHONY: run quick test coverage nightly nightly-list test-portable speed robustness agreement scaling pace lint docs baselines clean

run: $(VENV)/ready
	$(BIN)/python -m bench run --suite starter
	@echo "Kodak is next: $(BIN)/python -m bench fetch kodak && $(BIN)/python -m bench run --suite kodak"

# In another order every time, whose seed is printed at the end; `make test SEED=last`, or a number, has
# that order again. A test that leaves anything to the next one fails.
UNIT = tests/unit
LAYERS = tests/system tests/contract tests/robustness
# what loads torch runs after the rest: a process of a gigabyte is slow to fork
WITH_TORCH = tests/system/with_torch tests/contract tests/robustness
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(if $(SEED),--randomly-seed=$(SEED))

# The unit layer alone: no process, no torch, less than a minute.
quick: $(VENV)/ready-dev
	$(PYTEST) -n $(JOBS) --dist worksteal $(COVER) $(UNIT)

# The unit layer first, then all that a push must hold. The tests of a file go to one worker, which loads
# its networks and makes its fixtures once; files that take long come first.
BY_FILE = $(PYTEST) -n $(JOBS) --dist loadfile --no-loadscope-reorder
test: quick
	$(BY_FILE) $(COVER) -m "not nightly" $(filter-out $(WITH_TORCH),$(LAYERS)) --ignore=tests/system/with_torch; tested=$$?; \
	$(BY_FILE) $(COVER) -m "not nightly" $(WITH_TORCH) && exit $$tested

# The same tests; at the end, which lines of bench/ none of them runs, in processes that they start too,
# and one figure for all.
coverage: $(VENV)/ready-dev
	rm -f build/coverage*
	$(MAKE) test COVER="--cov=bench --cov-append --cov-report="; tested=$$?; \
	$(BIN)/coverage combine --append --quiet 2> /dev/null; $(BIN)/coverage report && exit $$tested

# What `make test` leaves out, beside `make robustness`; `make nightly-list` names it. At the end the
# learned codecs with other instruction sets.
nightly: $(VENV)/ready-dev
	$(BY_FILE) -m nightly $(LAYERS)
	$(MAKE) test-portable

nightly-list: $(VENV)/ready-dev
	@$(BIN)/python -m pytest -p no:randomly --collect-only -m nightly tests

# The learned codecs' tests as on a machine with another instruction set, on two threads.
PORTABLE := test_learned_payloads test_qcae_golden test_hyperprior test_vqvae2 test_vae3d
test-portable: $(VENV)/ready-dev
	OMP_NUM_THREADS=2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 ONEDNN_MAX_CPU_ISA=AVX2 \
	$(BIN)/python -m pytest -p no:xdist $(PORTABLE:%=tests/system/with_torch/codecs/%.py)

speed: $(VENV)/ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -p no:xdist -s tests/speed

# Kills, damage and hostile bytes, SECONDS of them for each parser and decoder; PAGE is continued.
# TRIALS="words of a title" for some of them.
SECONDS ?= 60
export TRIALS
PAGE ?= results/robustness.md
robustness: $(VENV)/ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.robustness $(SECONDS) --trials "$$TRIALS" --page $(PAGE)

# Measured on a quiet machine: metrics beside their references, what a task costs, steps of trainings.
agreement: PAGE = results/metrics.md
scaling: PAGE = results/scaling.md
pace: PAGE = results/training_pace.md
agreement scaling pace: $(VENV)/ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.speed $@ $(OPTIONS) > $(PAGE).new && mv $(PAGE).new $(PAGE)

lint: $(VENV)/ready-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

docs: $(VENV)/ready-dev
	$(BIN)/python -m bench list columns > docs/columns.md
	$(BIN)/python -m mkdocs build --strict

$(VENV)/ready: pyproject.toml hatch_build.py bench/metrics/loops.c $(wildcard constraints/*.txt)
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { echo "no CPython 3.11 to 3.14 on PATH or in" \
	    "pyenv: install one (python.org, pyenv install 3.13), or name it: make PYTHON=/path/to/python" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(LOCK) --editable .
	touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(BIN)/python -m pip install --quiet $(LOCK) --editable '.[dev]'
	touch $@

# Writes the numbers that `make test` guards. Say in the commit why they changed.
baselines: $(VENV)/ready-dev
	$(BIN)/python -m tests.baselines

# make lock, audit, wheel, sdist, reproducible, test-wheel, test-newest
include release.mk

clean:
	rm -rf $(VENV) build dist *.egg-info
