# Everything here needs only make and python3 (3.11 or newer); the rest is installed into .venv.
#   make run ARGS='--listen 127.0.0.1:9092 --topic orders:3'

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
TESTS ?= tests

.PHONY: help run test lint check docs format bench clients differ clean
.DEFAULT_GOAL := help

help:
	@echo 'make run      start a broker with its data in ./data (more options: ARGS="...")'
	@echo 'make test     run the tests (a part of them: TESTS=tests/wire ARGS="-k header")'
	@echo 'make check    what CI runs: formatting, lint, types, documentation, tests'
	@echo 'make lint     the quick part of it: formatting, lint, types'
	@echo 'make docs     build the documentation into ./site; a broken link is an error'
	@echo 'make format   let ruff format and fix the code'
	@echo 'make clients  install the real clients that the tests in tests/clients can drive (into .clients)'
	@echo 'make bench    run the benchmarks of tools/bench'
	@echo 'make differ   ask Apache Kafka (needs java and mvn) and chronik the same, and compare the replies'
	@echo 'make clean    remove .venv, .clients, caches and build results (never ./data)'

# The version is asked for before anything is created, so that an old Python gives one sentence and no half-made .venv.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "chronik needs Python 3.11 or newer; $(PYTHON) is %d.%d. Name another one: make PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'this Python has no venv module; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Stamps: a second call does no work until pyproject.toml changes.
$(VENV)/.installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-docs: $(VENV)/.installed pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

run: $(VENV)/.installed
	$(BIN)/chronik run --data-dir ./data $(ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(TESTS) $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint docs
	$(BIN)/python -m pytest $(ARGS)

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-dev
	$(BIN)/python -m tools.bench $(ARGS)

# The broker alone, from Maven Central; where make clients puts what it installs.
.clients/differ/.installed: tools/differ/pom.xml
	@command -v java >/dev/null && command -v mvn >/dev/null || { echo 'make differ needs java and Maven (mvn)' >&2; exit 1; }
	@rm -rf $(@D)
	mvn -q -B -f $< dependency:copy-dependencies -DoutputDirectory="$(CURDIR)/$(@D)"
	@touch $@

differ: $(VENV)/.installed-dev .clients/differ/.installed
	$(BIN)/python -m tools.differ $(ARGS)

clients: $(VENV)/.installed-dev
	bash tools/clients/install.sh $(ARGS)

clean:
	rm -rf $(VENV) .clients .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist site
	find chronik migrations tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
