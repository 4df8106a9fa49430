# demo: from nothing but Python to a verified run · test: everything that CI runs · check: the quick part
# tools: what developing needs (Python packages and, in contracts/, npm's)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip --quiet --disable-pip-version-check
FORGE := node_modules/.bin/forge

.PHONY: demo test check tools
.DELETE_ON_ERROR:
.NOTPARALLEL:

demo: $(VENV)/.installed
	rm -rf runs/demo
	$(BIN)/fl run hospitals --out runs/demo
	$(BIN)/fl rewards runs/demo
	$(BIN)/fl verify runs/demo

# pytest comes last: its closing line is what CI reads
test: tools
	cd contracts && $(FORGE) fmt --check && $(FORGE) test
	$(BIN)/python -m fl.ledger.compile --check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --no-skips

check: $(VENV)/.developed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 -m "not slow" --ignore tests/e2e

tools: $(VENV)/.developed contracts/node_modules/.installed

# stamps: install again only when what is wanted has changed

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Installing into $(VENV): some minutes and about 6 GB the first time"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade "pip>=25.1"   # the first that knows dependency groups
	$(PIP) install -c constraints.txt -e .
	touch $@

$(VENV)/.developed: $(VENV)/.installed
	$(PIP) install -c constraints.txt --group dev
	touch $@

contracts/node_modules/.installed: contracts/package.json
	cd contracts && npm install --no-audit --no-fund --loglevel=error
	touch $@
