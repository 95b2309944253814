# Two environments, each made from its own lock: .venv runs the service and holds nothing else, so that
# what is served here is what the image serves; .venv-dev holds the same pins and the tools besides.
PYTHON ?= python3
# The products of the core are too small for OpenBLAS to share out; the service has threads of its own.
export OPENBLAS_NUM_THREADS ?= 1
HOST ?= 127.0.0.1
PORT ?= 8000
RUN := .venv/bin/
DEV := .venv-dev/bin/

# A stamp is named for the lock and the interpreter it was made from and is written last, inside the environment:
# another lock, another Python or an interrupted install means a missing stamp, and the environment is made anew.
key = $(shell { cat requirements/$(1).txt; $(PYTHON) -VV; } 2>&1 | cksum | tr -dc 0-9)
RUN_STAMP := .venv/made-$(call key,run)
DEV_STAMP := .venv-dev/made-$(call key,dev)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test format lint types openapi bench lock container env clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

serve: $(RUN_STAMP) ## serve on HOST:PORT, by default 127.0.0.1:8000
	exec $(RUN)python -m app --host $(HOST) --port $(PORT)

test: lint types openapi-check ## every check: format, lint, types, layers, OpenAPI, tests with coverage
	$(DEV)pytest --cov

format: $(DEV_STAMP) ## rewrite the code in the one format
	$(DEV)ruff format
	$(DEV)ruff check --fix

lint: $(DEV_STAMP) ## check the format, the rules of style and the layers
	$(DEV)ruff format --check
	$(DEV)ruff check
	$(DEV)lint-imports

types: $(DEV_STAMP) ## check the types of app and tests
	$(DEV)mypy

openapi: $(DEV_STAMP) ## write openapi/openapi.json from the code
	$(DEV)python -m app.api.openapi

.PHONY: openapi-check
openapi-check: $(DEV_STAMP)
	$(DEV)python -m app.api.openapi --check

bench: $(DEV_STAMP) ## time everything beside its peers and the limit, and write it down (BENCH_FLAGS=--quick ...)
	$(DEV)python -m benchmarks $(BENCH_FLAGS)

.PHONY: bench-micro
bench-micro: $(DEV_STAMP)
	$(DEV)pytest benchmarks/micro

container: ## build the image surprisal
	docker build -t surprisal .

env: $(DEV_STAMP) ## make the environment of the tests

# Keeps the pins that still fit; `make lock LOCK_FLAGS=--upgrade` moves them all to the newest.
lock: .venv-lock/bin/uv ## write requirements/*.txt from pyproject.toml
	$(COMPILE) -o requirements/run.txt
	$(COMPILE) --group dev -c requirements/run.txt -o requirements/dev.txt

COMPILE = .venv-lock/bin/uv pip compile pyproject.toml -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command 'make lock' $(LOCK_FLAGS)

clean: ## remove the environments and every cache
	rm -rf benchmarks/.venv-* .venv .venv-dev .venv-lock .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist
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
$(RUN_STAMP) $(DEV_STAMP): | python
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install -q --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/$(LOCK).txt
	touch $@
