# Two commands: `make demo` runs everything on the built-in phantom, `make test` runs the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

export DO_NOT_TRACK := true

.PHONY: demo test lint format benchmarks clean

demo: $(INSTALLED)  ## raw scans to report on the built-in phantom, in minutes
	$(BIN)/kedro run

test: $(INSTALLED)  ## the test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup

lint: $(INSTALLED)  ## style and the house rules
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff check --fix src tests
	$(BIN)/ruff format src tests

# torch comes first and alone: with it in place nothing asks for another build of it.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@touch $@

clean:  ## everything that runs have made, but not the environment
	rm -rf mlruns mlflow.db
	git clean -fdX data
