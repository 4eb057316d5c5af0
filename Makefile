# Two commands on a fresh machine: `make run` and `make test`. Needs CPython 3.11+, pip and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: run test speed lint docs baselines clean

run: $(VENV)/ready
	$(BIN)/python -m bench run --suite starter
	@echo "Kodak is next: $(BIN)/python -m bench fetch kodak && $(BIN)/python -m bench run --suite kodak"

test: $(VENV)/ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal --ignore tests/speed

speed: $(VENV)/ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -p no:xdist -s tests/speed

lint: $(VENV)/ready-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

docs: $(VENV)/ready-dev
	$(BIN)/python -m bench list columns > docs/columns.md
	$(BIN)/python -m mkdocs build --strict

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# Writes the numbers that `make test` guards. Say in the commit why they changed.
LEARNED := gaussian-ae:latents=10,gaussian-ae:latents=30,gaussian-ae:latents=50
VAES := cifar-vae,cifar-vae:loss=mse
CLIPS := qcae:codes=2+8+32+128,qcae-rd:quality=1+2+3+4
IMAGES := hyperprior:quality=2+5,vqvae2-512,vqvae2-512:coder=pixelsnail,vqvae2-512:coder=transformer
baselines: $(VENV)/ready
	$(BIN)/python -m bench run --suite starter --limit 2 --out build/guard/starter --fresh --no-report
	$(BIN)/python -m bench check build/guard/starter --against results/baselines/starter --update
	$(BIN)/python -m bench run --suite gaussian --limit 2 --codecs $(LEARNED) --out build/guard/gaussian --fresh --no-report
	$(BIN)/python -m bench check build/guard/gaussian --against results/baselines/gaussian --update
	$(BIN)/python -m bench run --suite cifar10 --limit 8 --codecs $(VAES) --out build/guard/cifar10 --fresh --no-report
	$(BIN)/python -m bench check build/guard/cifar10 --against results/baselines/cifar10 --update
	$(BIN)/python -m bench run --suite moving-mnist --limit 2 --codecs "$(CLIPS)" --out build/guard/moving-mnist --fresh --no-report
	$(BIN)/python -m bench check build/guard/moving-mnist --against results/baselines/moving-mnist --update
	$(BIN)/python -m bench run --suite starter --limit 1 --codecs $(IMAGES) --out build/guard/images --fresh --no-report
	$(BIN)/python -m bench check build/guard/images --against results/baselines/images --update

# make reference-codecs SOURCES=… PREFIX=…: VTM, HM, libbpg and Cool-chic from their sources
include reference.mk

clean:
	rm -rf $(VENV) build dist *.egg-info
