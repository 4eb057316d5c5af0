# Two commands on a fresh machine: `make run` and `make test`. Needs CPython 3.11+, pip and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: run test speed lint clean

run: $(VENV)/ready
	$(BIN)/python -m bench run --suite starter
	@echo "Kodak is next: $(BIN)/python -m bench fetch kodak && $(BIN)/python -m bench run --suite kodak"

test: $(VENV)/ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal --ignore tests/speed

speed: $(VENV)/ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -p no:xdist -s tests/speed

lint: $(VENV)/ready-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
