# What `make` offers, with the reason for each in a word; `make setup` is run first by whatever needs it.
#
#   setup  the environment, in .venv          test   the test suite           lock   the lock files anew
#   up     Tollhouse, with a demo workspace   prove  the long proofs          clean  remove what make made
#   check  format, lint, types, house rules   bench  the benchmark table
#
# Every package comes from a lock file with its hash. A target that is up to date takes no time.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := setup
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
# Everything needed is in the lock, with its hash, as a wheel: nothing is resolved, nothing is built, no code of a
# package runs while it is installed.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes \
	--only-binary :all:
COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
	--no-header --python-version 3.11 --universal
TOOLS := src tools tests $(wildcard bench)

# $(call timed,WORDS,COMMAND): runs the command and prints how long it took.
timed = echo "$(1) ..."; begun=$$SECONDS; $(2); echo "$(1): $$((SECONDS - begun)) s"

.PHONY: setup up test prove check bench docs lock clean

setup: $(STAMPS)/runtime

$(STAMPS)/venv:
	@command -v $(PYTHON) >/dev/null || { echo "Tollhouse needs Python 3.11 or newer, and '$(PYTHON)' was not found." \
		"Install it, or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tollhouse needs Python 3.11 or newer;" \
		"'$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.11" >&2; exit 1; }
	@$(call timed,setup: virtual environment,$(PYTHON) -m venv $(VENV))
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/packages: $(STAMPS)/venv requirements.lock requirements-build.lock
	@$(call timed,setup: packages,$(INSTALL) -r requirements.lock -r requirements-build.lock)
	@touch $@

$(STAMPS)/runtime: $(STAMPS)/packages pyproject.toml
	@$(call timed,setup: tollhouse itself,$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input \
		--no-build-isolation --no-deps --editable .)
	@touch $@

$(STAMPS)/dev: $(STAMPS)/runtime requirements-dev.lock
	@$(call timed,setup: packages for tests and checks,$(INSTALL) -r requirements-dev.lock)
	@touch $@

up: setup
	@exec $(BIN)/tollhouse up --demo $(ARGS)

test: $(STAMPS)/dev
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

# The same tests as `make test` runs with a small count, at full count and without its time limit.
prove: $(STAMPS)/dev
	@TOLLHOUSE_PROVE=full $(BIN)/python -m pytest -m prove -o timeout=7200 $(ARGS)

check: $(STAMPS)/dev
	@$(call timed,check: format,$(BIN)/ruff format --check $(TOOLS))
	@$(call timed,check: lint,$(BIN)/ruff check $(TOOLS))
	@$(call timed,check: types,$(BIN)/mypy)
	@$(call timed,check: import order,$(BIN)/lint-imports)
	@$(call timed,check: house rules,$(BIN)/python -m pytest tests/house $(ARGS))

bench: $(STAMPS)/dev
	@exec $(BIN)/python -m bench $(ARGS)

# The pages that are made from the code; `make check` fails while they are not current.
docs: $(STAMPS)/dev
	@PYTHONPATH=tools $(BIN)/python -m pages

# `make lock ARGS=--upgrade` takes the newest versions, else only what changed in the .in files is resolved anew.
lock: $(STAMPS)/dev
	@$(COMPILE) $(ARGS) requirements.in -o requirements.lock
	@$(COMPILE) $(ARGS) requirements-build.in -o requirements-build.lock
	@$(COMPILE) $(ARGS) requirements-dev.in -o requirements-dev.lock

# No data: a data directory is the operator's.
clean:
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	@find src tests tools bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
