# make demo    set up .venv and paint a picture with the checkpoint that ships
# make test    set up .venv for tests, then formatting, lint, types, architecture and every test
# make bench   speed of the engine and of the networks
# make judge   how well the checkpoint that ships does every task (COUNT=64 for a quick look)
# make thumbnails  run every template of that checkpoint and keep a small picture of what it makes
# make format  put the code into its one form

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
COUNT ?= 1000

RECENT := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c '$(RECENT)' 2>/dev/null && echo $$python && break; done)

.PHONY: demo test bench judge thumbnails format

demo: $(VENV)/.installed
	$(BIN)/kandinsky run workflows/text_to_image.json

test: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS)

bench: $(VENV)/.installed-test
	$(BIN)/python -m tests.benchmarks

judge: $(VENV)/.installed-test
	$(BIN)/python -m nodes.miniature.judge --count $(COUNT)

thumbnails: $(VENV)/.installed
	$(BIN)/python -m nodes.miniature.thumbnails

format: $(VENV)/.installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The stamps are newer than what they were made from, so nothing is installed twice.

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and no python3 here is." >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || \
		{ echo "No virtual environment could be made; on Debian: apt install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing into $(VENV); the first time takes a few minutes."
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@
