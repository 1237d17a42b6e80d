# make demo: set up and run the main job on embedded data.   make test: set up and pass every check and test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CORE := $(VENV)/.core
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export OMP_NUM_THREADS ?= 1
SHARED := $(wildcard ../shared/data)
ifneq ($(SHARED),)
export INERTIA_DATA ?= $(abspath $(SHARED))
endif

.PHONY: demo test test-lowest check fast coverage package bench docs notebooks chromium clean

demo: $(CORE)
	@$(BIN)/inertia tune digits --out out/demo

test: $(READY) chromium check
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# The core, the command line, the proofs and the rooms of torch and JAX with the oldest versions that pyproject.toml allows, in an
# environment of their own (that torch comes with two gigabytes of libraries).
test-lowest:
	@test -x .venv-lowest/bin/python || python3.11 -m venv .venv-lowest
	@.venv-lowest/bin/python -m pip install -q -c constraints-lowest.txt -e ".[tasks,certify,torch,jax]" pytest hypothesis mpmath
	@.venv-lowest/bin/python -m pytest -q -W default -p no:cacheprovider tests/ground tests/theory tests/problems tests/cli/test_app.py \
	  tests/cli/test_theory.py tests/cli/test_runs.py tests/certify/test_certificates.py \
	  tests/torch/test_momentum.py tests/torch/test_flat.py tests/torch/test_schedules.py tests/torch/test_adaptive_state.py \
	  tests/torch/test_measure.py tests/torch/test_door.py tests/jax/test_transform.py tests/jax/test_measure_jax.py \
	  tests/optimizers/identification/test_factories.py -m "not slow" -k "not cvxpy and not solver_alone"

# The rules of the house, the theory, the problems and the measurement, in one or two minutes: for between two edits.
fast: $(READY)
	@$(BIN)/python -m pytest -n 2 -q -m "not slow and not browser" tests/ground tests/house \
	  tests/theory tests/problems tests/measurement

# Which lines of core, theory and problems their tests reach, with a floor (set in pyproject.toml); a minute and a half.
coverage: $(READY)
	@$(BIN)/python -m coverage run -m pytest -q -m "not slow and not browser" -p no:cacheprovider tests/ground tests/theory tests/problems
	@$(BIN)/python -m coverage report --skip-covered --sort=cover

# Wheel and sdist, and the wheel installed by itself, or with one extra (make package EXTRA=torch), in an environment of its own.
EXTRA ?=
package: $(READY)
	@rm -rf dist build/package
	@$(BIN)/python -m hatchling build -d dist
	@$(PYTHON) -m venv build/package
	@build/package/bin/python -m pip install -q -c constraints.txt "$$(ls $(CURDIR)/dist/*.whl)$(if $(EXTRA),[$(EXTRA)],)"
	@cd build && package/bin/python -c "import inertia; print('inertia', inertia.__version__)" && package/bin/inertia tune valley --steps 60 --runs 1

# Speed as ratios against the best peer, measured now; the tuner's tables from the data that is kept (minutes; hours to redo).
bench: $(READY)
	@for name in theory certify step lab; do echo "== $$name"; $(BIN)/python benchmarks/$$name.py; done
	@echo "== tuner"; $(BIN)/python benchmarks/tuner.py --table; $(BIN)/python benchmarks/tuner/networks.py --table

docs: $(READY)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "docs: open site/index.html"

# The notebooks' pages, with what they print and draw now (about two minutes).
notebooks: $(READY)
	@$(BIN)/python docs/notebooks.py

# The core is what the demo needs; the rest (frameworks, test tools) only make test waits for.
$(CORE): pyproject.toml constraints.txt
	@test -x $(BIN)/python || { echo "setting up $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install -q -c constraints.txt -e ".[tasks]"
	@touch $@

$(READY): $(CORE)
	@echo "installing frameworks and test tools ..."
	@$(BIN)/python -m pip install -q -c constraints.txt torch
	@$(BIN)/python -m pip install -q -c constraints.txt -e ".[all,dev]"
	@touch $@

# Browser tests need chromium; where it cannot be installed they skip and say so. Its shell without a window takes half the time.
chromium:
	@if ! command -v chromium-headless-shell >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing chromium for the browser tests ..."; export DEBIAN_FRONTEND=noninteractive; \
	  timeout 120 apt-get update -qq >/dev/null 2>&1; \
	  timeout 300 apt-get install -y -qq chromium-headless-shell >/dev/null 2>&1 || command -v chromium >/dev/null || \
	  timeout 300 apt-get install -y -qq chromium >/dev/null 2>&1 || true; fi

clean:
	rm -rf $(VENV) out site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
