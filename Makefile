# One door for people and for CI. `make demo` and `make test` are all that a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := .venvs/tools
LOCKS := tools/locks
SOURCES := cli planner executor state registry tests docs benchmarks interop tools conftest.py
INSTALL := -m pip install --quiet --disable-pip-version-check

.PHONY: help demo test coverage test-pythons test-lowest test-newest test-install nightly check lint types format docs \
	lock benchmarks mutation peers interop system clean

help:
	@echo "make demo          install into .venv, then plan, apply, check and drift on real images; no network"
	@echo "make test          install what the tests need, then run them all"
	@echo "make check         format, lint, types and all tests: what a change must pass"
	@echo "make coverage      all tests, with the lines counted that they run, in the programs that they start too"
	@echo "make test-pythons  the unit tests with each Python that is supported and found"
	@echo "make test-lowest   the unit tests with the lowest versions that pyproject.toml declares"
	@echo "make test-install  wheel and sdist, installed by pip, pipx and uv"
	@echo "make test-newest   all tests and types with the newest versions of today; a report, never a failure"
	@echo "make nightly       what takes long: the tests marked so, here and in interop, coverage, and test-newest"
	@echo "make format        format, and mend what ruff can mend"
	@echo "make docs          write the generated parts of the documentation"
	@echo "make lock          lock the newest versions for development and CI (LOCK_FLAGS='--day 2026-01-31')"
	@echo "make interop       regsync, cosign, oras and crane beside transship, where Go is"
	@echo "make peers         build these programs, once for all clones on this machine; make interop does that, too"
	@echo "make benchmarks    ratios against skopeo and a raw curl baseline, in one run"
	@echo "make mutation      break what decides, and see whether a test notices; takes an hour or more"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "transship needs Python 3.11 or newer, which $(PYTHON) is not: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.runtime: $(BIN)/python pyproject.toml $(LOCKS)/run.txt
	$(BIN)/python $(INSTALL) --require-hashes -r $(LOCKS)/run.txt
	$(BIN)/python $(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMP): $(VENV)/.runtime $(LOCKS)/dev.txt
	$(BIN)/python $(INSTALL) --require-hashes -r $(LOCKS)/dev.txt
	@touch $@

$(TOOLS)/.installed: $(BIN)/python $(LOCKS)/tools.txt
	$(BIN)/python -m venv $(TOOLS)
	$(TOOLS)/bin/python $(INSTALL) --require-hashes -r $(LOCKS)/tools.txt
	@touch $@

demo: $(VENV)/.runtime
	$(BIN)/transship demo

# The real registry and the real client that the integration tests talk to.
system:
	tests/install-system-packages

test: $(STAMP) system
	$(BIN)/python -m pytest -n auto

coverage: $(STAMP) system
	$(BIN)/python -m pytest -n auto --cov --cov-report=term:skip-covered $(COVERAGE)
	$(BIN)/python tools/coverage_floor.py

test-pythons: $(STAMP) system
	$(BIN)/python tools/unit_tests.py pythons

test-lowest: $(STAMP) system
	$(BIN)/python tools/unit_tests.py lowest

test-install: $(STAMP) $(TOOLS)/.installed
	$(BIN)/python tools/install_ways.py

test-newest: $(STAMP) system
	$(BIN)/python tools/newest.py

# At night, property tests search for examples that no run has met.
# pytest ends with 5 when it has nothing to run, which is no failure where nothing in tests/ is marked.
nightly: $(STAMP) system
	$(BIN)/python -m pytest -n auto --nightly || [ $$? -eq 5 ]
	$(MAKE) interop INTEROP=--nightly
	$(MAKE) coverage COVERAGE=--hypothesis-profile=search
	$(MAKE) test-newest

lint: $(STAMP)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

types: $(STAMP)
	$(BIN)/mypy
	$(BIN)/pyright

format: $(STAMP)
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: $(STAMP)
	$(BIN)/python docs/generate.py

check: lint types test

lock: $(TOOLS)/.installed
	$(TOOLS)/bin/python tools/lock.py $(LOCK_FLAGS)

benchmarks: $(STAMP) system
	$(BIN)/python -m benchmarks

# MUTATION='--again exits' tries what survived last time in the modules whose paths have "exits" in them.
mutation: $(STAMP)
	PYTHONPATH=tests nice -n 10 $(BIN)/python -m mutation $(MUTATION)

# The programs of others, each version built once for all clones on this machine; interop/versions.txt names them.
peers:
	@$(PYTHON) interop/peers.py

# Where they cannot be built, one line says so and nothing is run. INTEROP=--nightly runs what is left to the night.
interop:
	@$(PYTHON) interop/peers.py --if-can; case $$? in \
	0) $(MAKE) --no-print-directory $(STAMP) system && $(BIN)/python -m pytest -n auto interop $(INTEROP) ;; \
	75) ;; \
	*) exit 1 ;; esac

clean:
	rm -rf $(VENV) .venvs dist build .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
