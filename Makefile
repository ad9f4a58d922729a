# `make run` and `make test` need only Python 3.11+ and make: both set up .venv once, and again when its inputs change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := infra/requirements.lock
READY := $(VENV)/.ready
export UV_SYSTEM_CERTS := 1
unexport PYTHONDONTWRITEBYTECODE # what is imported is compiled once, and not by each process that starts

.DEFAULT_GOAL := help
# Where `make build` puts the Lambda packages, for which environment, and a Python like Lambda's.
BUILD := .aws-sam/build
ENV ?=
ARCH ?= arm64
# A Python like Lambda's, where `burgee build` does not find one by itself.
PYTHON_3_13 ?=

.PHONY: help setup run test lint types unit conformance stack build bench bench-check schema site dist sbom lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(READY) ## create .venv with everything that the other targets use

$(READY): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Burgee needs Python 3.11 or later; try make PYTHON=python3.13")'
	@echo "Setting up $(VENV) (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install -q --disable-pip-version-check uv
	@$(BIN)/uv pip install -q --python $(BIN)/python -r $(LOCK)
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

run: $(READY) ## serve the example flags.yaml on http://127.0.0.1:8000; PORT=8001 for another
	@$(BIN)/burgee serve $(if $(PORT),--port $(PORT))

test: lint types unit ## everything that must pass before a commit

lint: $(READY)
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .

types: $(READY)
	@$(BIN)/mypy

# Two workers that each begin with half of the files and take over what the other has left import and start least.
# Lines are counted from Python 3.12 on, where the interpreter itself reports them; a tracer would cost 40 % more.
unit: export COVERAGE_CORE = sysmon
unit: $(READY)
	@$(BIN)/pytest -q -n auto --dist worksteal \
	$$($(BIN)/python -c 'import sys; print("--cov --cov-report=term:skip-covered" if sys.version_info >= (3, 12) else "")')

conformance: $(READY) ## run other people's clients and suites against us, and write docs/conformance.md
	@$(BIN)/python tests/conformance.py

stack: $(READY) ## deploy, try, refuse and delete the whole stack in an emulator; sam local (needs Python 3.13)
	@$(BIN)/pytest -q -m stack

build: $(READY) ## compile flags.yaml into the Lambda packages with `sam build` (needs Python 3.13)
	@$(BIN)/python infra/lambda_requirements.py | cmp -s - functions/requirements.txt || { echo "functions/requirements.txt is absent or stale: run make lock"; exit 1; }
	@$(BIN)/burgee build --arch $(ARCH) --out $(BUILD) $(if $(ENV),--env $(ENV)) $(if $(PYTHON_3_13),--python $(PYTHON_3_13))

bench: $(READY) ## measure engines, loading and cold starts beside others, and write docs/performance.md (needs Python 3.13)
	@$(BIN)/python tests/benchmarks/bench.py

bench-check: $(READY) ## compare instruction counts of the hot paths with their baseline (needs valgrind)
	@$(BIN)/python tests/benchmarks/counts.py

schema: $(READY) ## write infra/flags.schema.json from the grammar
	@$(BIN)/burgee schema > infra/flags.schema.json

site: $(READY) ## build the documentation's site into build/site
	@cd infra && NO_MKDOCS_2_WARNING=1 ../$(BIN)/mkdocs build -q --strict -f mkdocs.yml

dist: $(READY) ## build the distributions burgee-core and burgee into dist/, the same bytes for the same commit
	@rm -rf dist
	@export SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct); \
	$(BIN)/uv build -q --no-build-isolation --python $(BIN)/python -o dist . && \
	$(BIN)/uv build -q --no-build-isolation --python $(BIN)/python --wheel -o dist infra/distribution
	@$(BIN)/twine check --strict dist/*

sbom: $(READY) ## write dist/sbom.json: what the functions' package installs, in CycloneDX
	@mkdir -p dist
	@$(BIN)/cyclonedx-py requirements functions/requirements.txt --pyproject pyproject.toml --output-reproducible -o dist/sbom.json

lock: $(READY) ## resolve every dependency again into infra/requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --all-extras --no-header --no-annotate --upgrade pyproject.toml -o $(LOCK)
	@$(MAKE) setup
	@$(BIN)/python infra/lambda_requirements.py > functions/requirements.txt

clean: ## remove what the build made
	@rm -rf $(VENV) .aws-sam build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
