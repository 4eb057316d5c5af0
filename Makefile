# Two commands on a fresh machine: `make run` and `make test`. Needs CPython 3.11 or 3.12.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
# versions that the tests were run with, on the Python that they were run on; `make test-newest`
# takes the newest ones
LOCK := $(shell $(PYTHON) -c 'import sys; print("-c constraints.txt" if sys.version_info[:2] == (3, 11) else "")')

.PHONY: run test test-portable speed lint docs train baselines clean

run: $(VENV)/ready
	$(BIN)/python -m bench run --suite starter
	@echo "Kodak is next: $(BIN)/python -m bench fetch kodak && $(BIN)/python -m bench run --suite kodak"

# In another order every time, whose seed is printed at the end; `make test SEED=last`, or a number, has
# that order again. A test that leaves anything to the next one fails.
test: $(VENV)/ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal --ignore tests/speed \
	$(if $(SEED),--randomly-seed=$(SEED))

# The learned codecs' tests as on a machine with another instruction set, on two threads.
PORTABLE := test_portable test_learned_payloads test_qcae_golden test_hyperprior test_vqvae2 test_vae3d
test-portable: $(VENV)/ready-dev
	OMP_NUM_THREADS=2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 ONEDNN_MAX_CPU_ISA=AVX2 \
	$(BIN)/python -m pytest -p no:xdist $(PORTABLE:%=tests/codecs/%.py)

speed: $(VENV)/ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -p no:xdist -s tests/speed

lint: $(VENV)/ready-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

docs: $(VENV)/ready-dev
	$(BIN)/python -m bench list columns > docs/columns.md
	$(BIN)/python -m mkdocs build --strict

# All networks in turn, each slice of time to the one whose loss falls fastest; the same command goes on.
# MINUTES=600, NETWORKS="hyperprior vae3d" for some of them, TRAIN="--device cuda" for further options.
MINUTES ?= 60
WORK ?= build/training
train: $(VENV)/ready
	$(BIN)/python -m bench train $(NETWORKS) --all --minutes $(MINUTES) --work $(WORK) $(TRAIN)

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(LOCK) --editable .
	touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(BIN)/python -m pip install --quiet $(LOCK) --editable '.[dev]'
	touch $@

# Writes the numbers that `make test` guards. Say in the commit why they changed.
baselines: $(VENV)/ready-dev
	$(BIN)/python -m tests.baselines

# make reference-codecs SOURCES=… PREFIX=…: VTM, HM, libbpg and Cool-chic from their sources
include reference.mk

# make lock, audit, wheel, reproducible, test-wheel, test-newest
include release.mk

clean:
	rm -rf $(VENV) build dist *.egg-info
