# Tested versions, audits of them, and wheels. `make lock` after an upgrade that `make test` passed.

NEWEST := .venv-newest
EPOCH = $(shell git log -1 --format=%ct)
# interpreters that the wheel is tried on, those that this machine has
PYTHONS ?= 3.11 3.12 3.13 3.14

.PHONY: lock audit wheel sdist reproducible test-wheel test-newest

# The versions of everything that the tests run with here, as the constraints of this Python.
lock: $(VENV)/ready-dev
	$(BIN)/python -m tests.lock

# Known vulnerabilities of the locked versions; asks PyPI about each of them, and fails where it says
# nothing about one (a mirror may know no advisories).
audit: $(VENV)/ready-dev
	$(BIN)/python -m pip install --quiet 'pip-audit>=2.7'
	for each in constraints/*.txt; do \
	    $(BIN)/python -m pip_audit --strict --requirement $$each --no-deps --disable-pip || exit 1; \
	done

# The same commit gives the same bytes: no times, no paths, no order of a disk.
wheel: $(VENV)/ready-dev
	rm -f dist/*.whl
	SOURCE_DATE_EPOCH=$(EPOCH) $(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation \
	--wheel-dir dist .

# For platforms without a wheel of their own.
sdist: $(VENV)/ready-dev
	SOURCE_DATE_EPOCH=$(EPOCH) $(BIN)/python -m hatchling build --target sdist --directory dist

reproducible: wheel
	rm -rf build/again && mkdir -p build/again/tree
	git archive HEAD | tar -x -m -C build/again/tree
	umask 077; SOURCE_DATE_EPOCH=$(EPOCH) $(BIN)/python -m pip wheel --quiet --no-deps \
	--no-build-isolation --wheel-dir build/again build/again/tree
	for wheel in build/again/*.whl; do cmp $$wheel dist/$$(basename $$wheel); done
	rm -r build/again

# Installs the wheel on each interpreter, far from this folder, and runs its starter suite.
test-wheel: wheel
	for version in $(PYTHONS); do \
	    python=$$(command -v python$$version) && $$python -c '' 2>/dev/null \
	        || { echo "no Python $$version here"; continue; }; \
	    tests/install_wheel.sh "$$python" dist/*.whl || exit 1; \
	done

# The newest versions of all packages instead of the locked ones: set-up and starter suite.
test-newest:
	rm -rf $(NEWEST)
	$(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --upgrade --editable .
	$(NEWEST)/bin/python -m bench run --suite starter --out $(NEWEST)/starter --quiet
	$(NEWEST)/bin/python -m bench check $(NEWEST)/starter --against results/baselines/starter \
	|| echo "newest versions give other numbers than the locked ones: see above"
