# The few words a newcomer needs. `make run` finds pictures; `make test` proves that it does.
SHELL := /bin/bash
PYTHON ?= python3
FOLDER ?= samples
PORT ?= 8000
BIN := .venv/bin
# The layer is put together by the pip of our own environment, whatever PYTHON makes it.
SAM := SAM_CLI_TELEMETRY=0 MAKEFLAGS= PYTHON="$(CURDIR)/$(BIN)/python" .venv-sam/bin/sam
PARAMETERS ?=
# Test files are spread over so many processes; more of them take more memory, up to 3 GB each.
WORKERS ?= 2
SPREAD = -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: run test check check-code check-tests bench build deploy lint lint-template setup setup-sam setup-test lock opensearch verify-clip docs
.DEFAULT_GOAL := run

# A list that has not changed since it was installed costs nothing: the stamps are newer than it.
.venv/run.stamp: requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("imagesearch needs Python 3.11 or newer: make PYTHON=python3.13" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing what running needs into .venv" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/test.stamp: requirements/test.txt .venv/run.stamp
	@echo "installing what testing needs into .venv" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/test.txt
	@touch $@

.venv-sam/stamp: requirements/sam.txt
	@test -x .venv-sam/bin/python || $(PYTHON) -m venv .venv-sam
	@echo "installing the SAM command line into .venv-sam" >&2
	@.venv-sam/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/sam.txt
	@touch $@

setup: .venv/run.stamp  ## what running needs

setup-sam: .venv-sam/stamp  ## the SAM command line and cfn-lint, in an environment of their own

run: setup  ## index FOLDER and serve it: make run FOLDER=~/Pictures
	@folder="$(FOLDER)"; $(BIN)/imagesearch serve "$${folder/#\~\//$$HOME/}" --port $(PORT)

setup-test: .venv/test.stamp .venv-sam/stamp  ## what testing needs

test: setup-test  ## every test
	@$(BIN)/python -m pytest $(SPREAD)

check: .venv/test.stamp  ## the developer's loop, in a minute: style, types, the import rule, fast tests
	@$(MAKE) --no-print-directory -j2 check-code check-tests

check-code: .venv/test.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check-tests: .venv/test.stamp  ## the tests that take no process, server or model
	@$(BIN)/python -m pytest $(SPREAD) -m "not slow" tests/unit

lint: setup-test lint-template check-code  ## style, types, the import rule, the template

lint-template: setup-sam
	@.venv-sam/bin/cfn-lint template.yaml
	@$(SAM) validate --lint

build: setup setup-sam  ## what Lambda gets, in .aws-sam
	@$(SAM) build

# Deployed functions are published snapshots, and a new one is made only when this digest changes:
# so it covers all that is in them. Settings that are not given stay as they were.
RELEASED = find functions layers template.yaml samconfig.toml -type f ! -path '*/__pycache__/*' | LC_ALL=C sort
RELEASE = $(shell { $(RELEASED); $(RELEASED) | git hash-object --stdin-paths; printf '%s' '$(PARAMETERS)'; } \
	| git hash-object --stdin)

deploy: build  ## the stack on AWS: make deploy PARAMETERS="AlarmEmail=me@example.org"
	@$(SAM) deploy --parameter-overrides Release=$(RELEASE) $(PARAMETERS)

bench: .venv/test.stamp  ## what indexing and a query cost on this machine
	@$(BIN)/python -m benchmarks

verify-clip: .venv/test.stamp  ## fetches CLIP (0.8 GB), prints its quality beside the published one
	@$(BIN)/python -m models.clip.verify

docs: .venv/test.stamp  ## write docs/reference/ from the code
	@$(BIN)/python docs/generate_reference.py

opensearch: setup  ## a real OpenSearch at port 9200 until Ctrl-C (Java 21 and Maven, or Docker)
	@$(BIN)/python -m local.opensearch_server --port 9200

lock:  ## pin every dependency anew (needs uv)
	@for list in "--extra local --group test -o requirements/test.txt" \
		"--extra local -c requirements/test.txt -o requirements/run.txt" \
		"-c requirements/test.txt -o layers/imagesearch/requirements.txt"; do \
		uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
			--excludes requirements/excluded.txt pyproject.toml $$list || exit 1; done
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		requirements/sam.in -o requirements/sam.txt
