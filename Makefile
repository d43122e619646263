# make demo      play the bundled track and see its mood move (installs the live core and the page)
# make test      install everything for development, then lint and run the whole test suite
# make lint      formatting, ruff, mypy
# make docs      the documentation site, into site/; a warning is an error
# make bench     measure; writes benchmarks/RESULTS.md
# make nightly   the tests that take minutes
# make clean     remove .venv, site/ and caches
#
# Needs Python 3.11 or newer with pip. Another interpreter: make PYTHON=python3.12 demo

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; \
	done || true)
VENV ?= .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet

.PHONY: demo test lint docs bench nightly clean
.DELETE_ON_ERROR:

demo: $(VENV)/.core
	@$(PY) -m streammer demo

test: lint
	$(PY) -m pytest

lint: $(VENV)/.dev
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

bench: $(VENV)/.dev
	$(PY) -m benchmarks

nightly: $(VENV)/.dev
	$(PY) -m pytest -m nightly

clean:
	rm -rf $(VENV) dist build site .mypy_cache .pytest_cache .ruff_cache .hypothesis

# A system Python may come without ensurepip; then its own pip fills the environment.
$(PY):
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "streammer needs Python 3.11 or newer, found: $$($(or $(PYTHON),python3) --version 2>&1);" \
	    "install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { \
	  rm -rf $(VENV) && $(PYTHON) -m venv --without-pip $(VENV) \
	  && $(PYTHON) -m pip --python $(PY) install --quiet pip; }

$(VENV)/.core: pyproject.toml | $(PY)
	@echo "installing the live core and the page (about a minute the first time)"
	@$(PIP) -e '.[dash]'
	@touch $@

# pip learned of dependency groups in 25.1; an environment may begin with an older one.
$(VENV)/.dev: pyproject.toml | $(PY)
	@echo "installing the development groups (several minutes the first time: torch is large)"
	@$(PIP) --upgrade 'pip>=25.1'
	@$(PIP) -e . --group offline --group dev --group docs
	@touch $@ $(VENV)/.core
