# Everything a newcomer needs. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test demo lint bench bench-import bench-leads bench-dashboard screenshots translations

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

run: $(VENV)/.installed  ## set up, migrate and serve on http://localhost:5000
	@$(BIN)/python app.py

demo: $(VENV)/.installed  ## the same with stand-ins for ScaleV and Mailketing and sample data; no keys needed
	@$(BIN)/python app.py --demo

test: $(VENV)/.installed-dev  ## the whole test suite
	@$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(VENV)/.installed-dev  ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.installed-dev  ## how fast a webhook is answered, next to a bare route in the same run
	@$(BIN)/python bench/webhook.py

screenshots: $(VENV)/.installed-dev  ## take the READMEs' pictures anew from the demo; needs Chromium
	@$(BIN)/python docs/make_screenshots.py

bench-import: $(VENV)/.installed-dev  ## how much memory an import of 20,000 orders takes; needs about ten minutes
	@$(BIN)/python bench/import_memory.py

bench-leads: $(VENV)/.installed-dev  ## how long the list takes over a million leads; needs about five minutes
	@$(BIN)/python bench/leads.py

bench-dashboard: $(VENV)/.installed-dev  ## how long the dashboard takes over 100,000 leads; needs about a minute
	@$(BIN)/python bench/dashboard.py

translations: $(VENV)/.installed-dev  ## collect texts into both catalogues and compile them
	@$(BIN)/python translations/catalogue.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; point to it: make PYTHON=/path/to/python3.11 ...") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	@echo "Installing what the program needs..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	@echo "Installing what the tests need..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.installed
