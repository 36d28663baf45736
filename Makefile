# `make help` lists the targets; `make run` serves a folder of images, `make check` is the fast loop.
SHELL := /bin/bash
PYTHON ?= python3
FOLDER ?= samples
PORT ?= 8000
# Empty: the model of the folder's index. A model that is named here is downloaded without a prompt.
MODEL =
# Duration of a step of `make load`.
export LOAD_SECONDS ?= 60
BIN := .venv/bin
# The layer is built with the pip of .venv, independent of PYTHON.
SAM := SAM_CLI_TELEMETRY=0 MAKEFLAGS= PYTHON="$(CURDIR)/$(BIN)/python" .venv-sam/bin/sam
PARAMETERS ?=
# Number of test processes: one more than two cores, for tests wait for servers. Each takes up to 3 GB.
WORKERS ?= 3
SPREAD = -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Without compiled files, each test process rewrites the assertions of all tests (10 s of CPU).
export PYTHONDONTWRITEBYTECODE :=
# Threads of BLAS spin while they wait for a core that another test process uses.
test chaos check-tests: export OPENBLAS_NUM_THREADS = 1

.PHONY: help run test audit bench build chaos check check-code check-tests costly deploy docs fuzz lint lint-template load lock opensearch release sbom screenshots setup setup-audit setup-quantize setup-sam setup-test
.DEFAULT_GOAL := run

# A stamp newer than its list means that the list is installed. Python compiles the modules that are
# imported; compiling all of them takes as long as the rest of the installation.
.venv/run.stamp: requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("imagesearch needs Python 3.11 or newer: make PYTHON=python3.13" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the runtime dependencies into .venv" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --no-deps -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/test.stamp: requirements/test.txt .venv/run.stamp
	@echo "installing the test dependencies into .venv" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --no-deps -r requirements/test.txt
	@touch $@

.venv-sam/stamp: requirements/sam.txt
	@test -x .venv-sam/bin/python || $(PYTHON) -m venv .venv-sam
	@echo "installing the SAM CLI into .venv-sam" >&2
	@.venv-sam/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --no-deps -r requirements/sam.txt
	@touch $@

.venv-audit/stamp: requirements/audit.txt
	@test -x .venv-audit/bin/python || $(PYTHON) -m venv .venv-audit
	@echo "installing checkov and cyclonedx into .venv-audit" >&2
	@.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --no-deps -r requirements/audit.txt
	@touch $@

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-15s %s\n", $$1, $$2}' Makefile

setup: .venv/run.stamp  ## Install the runtime dependencies into .venv

setup-quantize: setup  ## Install what quantizes a model on this machine when it is pulled
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --no-deps -r requirements/quantize.txt

setup-sam: .venv-sam/stamp  ## Install the SAM CLI and cfn-lint into .venv-sam

setup-audit: .venv-audit/stamp  ## Install checkov and cyclonedx into .venv-audit

run: setup  ## Index a folder and serve it: make run FOLDER=~/Pictures MODEL=clip-vit-b-32
	@folder="$(FOLDER)"; $(BIN)/imagesearch serve "$${folder/#\~\//$$HOME/}" --port $(PORT) \
		$(if $(MODEL),--model "$(MODEL)" --yes)

setup-test: .venv/test.stamp .venv-sam/stamp  ## Install the test dependencies

test: setup-test  ## Run all tests
	@$(BIN)/python -m pytest $(SPREAD)

# Histories in memory and on a real OpenSearch; about 10 minutes on two idle cores.
HISTORIES ?= 2000
OPENSEARCH_HISTORIES ?= 100
chaos: .venv/test.stamp  ## Run generated histories with faults, and a cluster with a killed node
	@CHAOS=1 CHAOS_HISTORIES=$(HISTORIES) CHAOS_OPENSEARCH_HISTORIES=$(OPENSEARCH_HISTORIES) \
		$(BIN)/python -m pytest $(SPREAD) tests/integration/truth tests/integration/faults \
		tests/contract/test_memory_s3.py

check: .venv/test.stamp  ## Run linters, type checks, the import rule and fast tests
	@$(MAKE) --no-print-directory -j2 check-code check-tests

check-code: .venv/test.stamp  ## Run linters (also of the Dockerfile), type checks and the import rule
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/hadolint Dockerfile

check-tests: .venv/test.stamp  ## Run the tests that need no process, server or model
	@$(BIN)/python -m pytest $(SPREAD) -m "not slow" --hypothesis-profile=quick tests/unit

docs: .venv/test.stamp  ## Generate docs/reference/ from the code
	@$(BIN)/python -m docs.generate_reference

screenshots: .venv/test.stamp  ## Take the screenshots of the page in docs/ (needs chromium)
	@$(BIN)/python -m docs.screenshots

lint: setup-test lint-template check-code  ## Run check-code, and validate the template

lint-template: setup-sam  ## Validate the template
	@.venv-sam/bin/cfn-lint template.yaml
	@$(SAM) validate --lint

audit: setup-audit setup sbom  ## Run checkov on the template, and write the bills of materials
	@.venv-audit/bin/python -m audit.template

sbom: setup-audit setup  ## Write the bills of materials (CycloneDX) to dist/
	@.venv-audit/bin/python -m audit.sbom dist

# The same commit gives the same bytes on any machine: `sha256sum --check dist/SHA256SUMS`.
release: build sbom  ## Write the layers, the wheel and their SHA-256 to dist/
	@rm -rf build
	@SOURCE_DATE_EPOCH=315532800 $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	@$(BIN)/python -m audit.release .aws-sam/build dist

build: setup setup-sam  ## Build the Lambda functions and the layer into .aws-sam
	@$(SAM) build

# SnapStart publishes a new version of a function only when this digest changes, so it covers every
# file of the functions. Parameters that are not given keep their deployed values.
RELEASED = find functions layers template.yaml samconfig.toml -type f ! -path '*/__pycache__/*' | LC_ALL=C sort
RELEASE = $(shell { $(RELEASED); $(RELEASED) | git hash-object --stdin-paths; printf '%s' '$(PARAMETERS)'; } \
	| git hash-object --stdin)

deploy: build  ## Deploy the stack to AWS: make deploy PARAMETERS="AlarmEmail=me@example.org"
	@$(SAM) deploy --parameter-overrides Release=$(RELEASE) $(PARAMETERS)

load: .venv/test.stamp  ## Measure text searches on a server under load: make load LOAD_SECONDS=600
	@$(BIN)/python -m benchmarks load

bench: .venv/test.stamp  ## Measure indexing and queries on this machine
	@$(BIN)/python -m benchmarks

fuzz: .venv/test.stamp  ## Decode 20,000 mutated files of every format: make fuzz FUZZ_FILES=3000
	@$(BIN)/python -m benchmarks fuzz

costly: .venv/test.stamp  ## Send costly requests to a server: make costly COSTLY_REQUESTS=300
	@$(BIN)/python -m benchmarks costly

opensearch: setup  ## Run OpenSearch on port 9200 until Ctrl-C (needs Java 21 and Maven, or Docker)
	@$(BIN)/python -m local.opensearch.server --port 9200

lock:  ## Update all pinned dependencies (needs uv)
	@for list in "--extra local --group test -o requirements/test.txt" \
		"--extra local -c requirements/test.txt -o requirements/run.txt" \
		"-c requirements/test.txt -o layers/imagesearch/requirements.txt"; do \
		uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
			--excludes requirements/excluded.txt pyproject.toml $$list || exit 1; done
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		requirements/sam.in -o requirements/sam.txt
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		-c requirements/test.txt requirements/quantize.in -o requirements/quantize.txt
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		requirements/audit.in -o requirements/audit.txt
