# make run    opens the kitchen on http://127.0.0.1:8000
# make test   runs every test            (make test ARGS="-k union" runs some)
# make lint   ruff and strict mypy
# make bench  prints the figures as ratios against the yardsticks
# make setup  prepares .venv for all of these

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
DATA ?= .kitchen
WORKERS ?= auto
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test lint bench setup
.DEFAULT_GOAL := run

run: $(VENV)/.ready-to-run
	@exec $(BIN)/python app.py --host $(HOST) --port $(PORT) --data $(DATA) $(ARGS)

test: $(VENV)/.ready-to-test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

lint: $(VENV)/.ready-to-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy -p engine -p web -m app

bench: $(VENV)/.ready-to-test
	$(BIN)/python -m tests.bench

setup: $(VENV)/.ready-to-test

# Stamps: made anew when a requirement changes, so that the second time costs nothing.

$(VENV)/.ready-to-run: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo 'Python 3.11 or newer is needed; make PYTHON=/path/to/python3.11 names another one.' >&2; exit 1; }
	@$(call need,python3-venv,$(PYTHON) -c 'import ensurepip' 2>/dev/null,exit 1)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --requirement requirements.txt
	@touch $@

$(VENV)/.ready-to-test: $(VENV)/.ready-to-run requirements-dev.txt
	$(PIP) install --requirement requirements-dev.txt
	@$(call need,chromium,command -v chromium >/dev/null,echo 'Without it the browser tests are skipped.' >&2)
	@touch $@

# $(call need,PACKAGE,TEST,ELSE): where TEST fails, root on Debian installs PACKAGE; anybody else is told to, then ELSE.
define need
$(2) || { \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo 'Installing the Debian package $(1) …'; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get install -qq -y --no-install-recommends $(1) >/dev/null 2>&1 \
			|| { apt-get update -qq && apt-get install -qq -y --no-install-recommends $(1) >/dev/null; } || { $(3); }; \
	else \
		echo 'Missing on this machine: $(1). On Debian or Ubuntu: sudo apt-get install $(1)' >&2; $(3); \
	fi; }
endef
