# `make run` and `make test` set up everything they need in .venv; nothing is done again while its inputs are unchanged.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SITE := build/site
SOURCES := $(shell find nnstrategies feeds brokers configs -type f -not -name '*.pyc')
export OMP_NUM_THREADS ?= 1

.PHONY: help setup run test lint types unit wheel-test pandas2 clean

help:
	@echo "make run    set up, run the default job on the simulated market, write the report"
	@echo "make test   set up, pass every check: ruff, mypy on the built package, pytest, the wheel outside the checkout"
	@echo "make clean  remove what make made (runs/ is kept)"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: $(STAMP)
	$(BIN)/nnstrategies run quickstart

test: lint types unit pandas2
	@echo "all checks passed"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The package as a user gets it: built, unpacked outside the checkout's own folders, checked there.
$(SITE)/.built: $(STAMP) $(SOURCES) README.md
	rm -rf build/site build/wheel build/lib
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps -c constraints.txt -w build/wheel .
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(SITE) build/wheel/*.whl
	@touch $@

types: $(SITE)/.built
	cd $(SITE) && MYPYPATH=. ../../$(BIN)/mypy -p nnstrategies --config-file ../../pyproject.toml --cache-dir ../mypy

unit: $(SITE)/.built
	$(BIN)/python -m pytest -n 2 --dist loadfile

build/pandas2/.installed: $(STAMP)
	rm -rf build/pandas2
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/pandas2 'pandas==2.2.3' pytz tzdata
	@touch $@

# The suite once more on the oldest pandas we support, less what only takes long.
pandas2: build/pandas2/.installed $(SITE)/.built
	PYTHONPATH=build/pandas2 $(BIN)/python -m pytest -n 2 --dist loadfile \
		--ignore tests/test_random_portfolios.py --ignore tests/test_wheel.py --ignore tests/test_evidence.py \
		--ignore tests/test_engine_identity.py --ignore tests/test_engine_identity_generated.py \
		--ignore tests/test_account_properties.py --ignore tests/test_models.py --ignore tests/test_losses.py

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis
