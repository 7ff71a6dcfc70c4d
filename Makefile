# `make run` opens the dashboard, `make test` passes the quick tests; each sets up .venv if needed.
PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8501
WORKERS ?= 2
QUICK := -m "not slow" -n $(WORKERS) --dist worksteal
NOT_LIBRARY := tests/dashboard tests/benchmarks

# A shell that forbids bytecode would have every process compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test coverage test-slow bench lint train samples study setup setup-dev clean

setup: .venv/.run-ready
setup-dev: .venv/.dev-ready

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

.venv/.run-ready: requirements.txt .venv/bin/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

.venv/.dev-ready: pyproject.toml .venv/.run-ready
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

run: setup
	$(BIN)/python -m streamlit run dashboard/app.py --server.port $(PORT)

# With COVERAGE=1 the library's tests are watched: they take up to 1.6 times as long.
ifdef COVERAGE
test: coverage
	$(BIN)/python -m pytest $(QUICK) $(NOT_LIBRARY)
else
test: setup-dev
	$(BIN)/python -m pytest $(QUICK)
endif

# Says which share of the library's lines and branches its quick tests run: at least 90 %.
coverage: setup-dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(QUICK) $(addprefix --ignore=,$(NOT_LIBRARY))
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --sort=cover

test-slow: setup-dev
	$(BIN)/python -m pytest -m slow -n $(WORKERS) --dist worksteal

# Prints what has to be fast beside its peers; `--full --write` measures all of it into RESULTS.md.
bench: setup-dev
	$(BIN)/python -m tests.benchmarks $(BENCH)
	$(BIN)/python tests/benchmarks/scale.py

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry --no-ansi .
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive camlif dashboard

# The shipped sample cohorts and models, in the order in which they depend on each other.
samples: setup
	$(BIN)/python -m camlif simulate glioma --patients 480 --seed 1 --force --out sample_data/glioma
	$(BIN)/python -m camlif simulate luad --patients 480 --seed 1 --force --out sample_data/luad

# An interrupted study goes on where it stopped; an hour on two cores.
study: STUDY := $(BIN)/python -m camlif study sample_data/glioma --out sample_data/glioma/study
study: setup
	$(STUDY) --methods all
	$(STUDY) --methods ablations
	$(STUDY) --methods paper --heads native

train: setup
	$(BIN)/python -m camlif train sample_data/glioma --force --out models/glioma
	$(BIN)/python -m camlif train sample_data/luad --force --out models/luad
	$(BIN)/python -m camlif train transbig --force --out models/transbig --clinical all
	$(BIN)/python -m camlif train ../shared/data/hancock --force --manifest models/hancock/cohort.toml --out models/hancock

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
