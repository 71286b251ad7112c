# make demo    set up .venv and paint a picture with the checkpoint that ships
# make ui      set up .venv and open the canvas at http://127.0.0.1:7860
# make test    set up .venv for tests, then formatting, lint, types, architecture and every test; the front end's own
#              checks where npm is; installs Debian's Chromium where it is missing, as root
# make bench   speed of the engine and of the networks
# make bench-ui   speed of the canvas in a browser
# make bundle  build the canvas from ui/frontend (needs npm)
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

FRONT := ui/frontend

.PHONY: demo ui test bench bench-ui judge thumbnails format bundle frontend checked-frontend chromium

demo: $(VENV)/.installed
	$(BIN)/kandinsky run workflows/text_to_image.json

ui: $(VENV)/.installed
	$(BIN)/kandinsky ui

test: $(VENV)/.installed-test chromium frontend
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist loadgroup

# Without npm these are left out, but not where CI says that it is a machine for checks.
frontend:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory checked-frontend; \
	elif [ -n "$$CI" ]; then echo "npm is needed for the checks of the front end: install Node 20.19 or newer." >&2; exit 1; \
	else echo "npm is not here: the front end's own checks are left out; Node 20.19 or newer brings it."; fi

checked-frontend: $(FRONT)/node_modules/.package-lock.json
	cd $(FRONT) && npm run --silent lint && npm run --silent check && npm test --silent

chromium:
	@test -n "$$CHROMIUM" || command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
		{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo "Installing Chromium." && \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; } || \
		{ echo "Chromium is needed for the tests of the canvas; on Debian: apt-get install chromium" >&2; exit 1; }

bundle: $(FRONT)/node_modules/.package-lock.json
	cd $(FRONT) && npm run --silent build

$(FRONT)/node_modules/.package-lock.json: $(FRONT)/package-lock.json
	cd $(FRONT) && npm ci --no-audit --no-fund
	@touch $@

bench: $(VENV)/.installed-test
	$(BIN)/python -m tests.benchmarks

bench-ui: $(VENV)/.installed-test chromium
	$(BIN)/python -m tests.benchmarks.bench_ui

judge: $(VENV)/.installed-test
	$(BIN)/python -m nodes.miniature.judge.judge --count $(COUNT)

thumbnails: $(VENV)/.installed
	$(BIN)/python -m nodes.miniature.judge.thumbnails

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
