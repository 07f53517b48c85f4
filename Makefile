# What a developer types. `make` alone lists it.
#
# Both environments hold exactly what requirements/ pins, by hash. A stamp is written last, so an installation that was
# interrupted counts as none and starts again from an empty environment.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint types arch sim bench lock clean

PYTHON ?= python3
RUN := .venv
DEV := .venv-dev
LOCK := .venv-lock
PIP_INSTALL := -m pip --disable-pip-version-check --quiet --no-input install

# An environment holds absolute paths: one that was copied or moved, or whose Python is gone, is made anew.
$(shell for env in $(RUN) $(DEV); do \
	test "$$(cat $$env/.place 2>/dev/null)" = "$$(pwd -P)" && $$env/bin/python -c 'import pip' 2>/dev/null \
	|| rm -f $$env/.locked $$env/.installed; done)

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1@\2/p' $(MAKEFILE_LIST) | awk -F@ '{ printf "%-14s %s\n", $$1, $$2 }'

demo: $(RUN)/.installed ## paper-trade a generated day: no network, no credentials
	@$(RUN)/bin/dualloop demo

test: $(DEV)/.installed ## run the tests
	@$(DEV)/bin/python -m pytest -q -n 2 --dist loadfile

lint: $(DEV)/.installed ## ruff: rules and format
	@$(DEV)/bin/ruff check .
	@$(DEV)/bin/ruff format --check .

types: $(DEV)/.installed ## mypy, strict
	@$(DEV)/bin/mypy $(wildcard src tests benchmarks tools)

arch: $(DEV)/.installed ## the arrows between the rooms (.importlinter)
	@$(DEV)/bin/lint-imports --no-logo

sim: $(DEV)/.installed ## the simulation smoke: generated days under many seeds, and 200 days of faults, each twice
	@$(DEV)/bin/python tools/sim_smoke.py
	@$(DEV)/bin/dualloop simulate --seeds 0:200 --jobs 2 --twice

bench: $(DEV)/.installed ## the benchmarks
	@$(DEV)/bin/python benchmarks/run.py

define python-is-new-enough
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	echo 'dualloop needs Python 3.11 or newer and "$(PYTHON)" is not: name one, as in "make PYTHON=python3.12 $(MAKECMDGOALS)".' >&2; \
	exit 1; }
endef

define make-environment
$(python-is-new-enough)
@echo "Installing $< into $(@D) ..."
@$(PYTHON) -m venv --clear $(@D)
@$(@D)/bin/python $(PIP_INSTALL) --require-hashes -r $<
@pwd -P > $(@D)/.place
@touch $@
endef

$(RUN)/.locked: requirements/core.txt
	$(make-environment)

$(DEV)/.locked: requirements/dev.txt
	$(make-environment)

$(RUN)/.installed $(DEV)/.installed: %/.installed: %/.locked pyproject.toml
	@$(@D)/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

# Keeps the versions that still fit; `make lock UPGRADE=--upgrade` takes the newest of everything.
UPGRADE :=
COMPILE := $(LOCK)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links $(UPGRADE) pyproject.toml

lock: ## write requirements/*.txt anew from pyproject.toml and requirements/*.in
	$(python-is-new-enough)
	@test -x $(LOCK)/bin/uv || { $(PYTHON) -m venv --clear $(LOCK) && $(LOCK)/bin/python $(PIP_INSTALL) uv; }
	@$(COMPILE) requirements/core.in -o requirements/core.txt
	@$(COMPILE) requirements/dev.in -o requirements/dev.txt

clean: ## remove the environments, caches and builds
	@rm -rf $(RUN) $(DEV) $(LOCK) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@for dir in src tests benchmarks; do test ! -d $$dir || find $$dir -name __pycache__ -type d -prune -exec rm -rf {} +; done
