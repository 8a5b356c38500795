# One door for people and for CI. `make demo` and `make test` are all that a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := cli planner executor state registry tests docs benchmarks interop

.PHONY: help demo test check lint types format docs benchmarks peers interop system clean

help:
	@echo "make demo        install into .venv, then plan, apply, check and drift on real images; no network"
	@echo "make test        install what the tests need, then run them all"
	@echo "make check       everything that CI checks: format, lint, types, docs, tests"
	@echo "make interop     the same configurations through regsync and transship, where Go can build it (make peers)"
	@echo "make benchmarks  ratios against skopeo and a raw curl baseline, in one run"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(STAMP): $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@

demo: $(VENV)/.runtime
	$(BIN)/transship demo

# The real registry and the real client that the integration tests talk to.
system:
	tests/install-system-packages

test: $(STAMP) system
	$(BIN)/python -m pytest -n auto

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

benchmarks: $(STAMP) system
	$(BIN)/python -m benchmarks

# The programs of others, each version built once for all clones on this machine; interop/versions.txt names them.
peers:
	@$(PYTHON) interop/peers.py

# Where they cannot be built, one line says so and nothing is run.
interop:
	@$(PYTHON) interop/peers.py --if-can; case $$? in \
	0) $(MAKE) --no-print-directory $(STAMP) system && $(BIN)/python -m pytest -n auto interop ;; \
	75) ;; \
	*) exit 1 ;; esac

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
