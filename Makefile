# Every target does the set-up it needs; a second call is quick. "make help" lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PYTHON_IN := $(VENV)/bin/python
DEPLOY := $(PYTHON_IN) -m phoenix.deployment
INSTALLED := $(VENV)/.installed
PYTEST := $(VENV)/bin/pytest
FAST := not engine and not airflow
SHARING := engine or airflow

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-10s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): requirements.lock pyproject.toml .ci/setup .ci/uv.py .ci/requirements-uv.txt
	@.ci/setup && touch $@

.PHONY: setup
setup: $(INSTALLED) ## Make .venv with the locked dependencies

.PHONY: tools
tools: setup ## See that the Debian programs we call are there (fitsverify)
	@$(DEPLOY) tools

.PHONY: engine
engine: setup ## See that a Docker engine answers; start one if this machine lets us
	@$(DEPLOY) engine

.PHONY: images
images: engine ## Build the images that are not up to date; INSTRUMENT=uves builds one
	@$(DEPLOY) images $(INSTRUMENT)

.PHONY: demo
demo: tools engine ## Simulate a UVES month and run it through Airflow, from raw frames to ingested IDPs
	@$(DEPLOY) images uves
	@$(VENV)/bin/phoenix demo

.PHONY: up
up: tools images ## Start database and Airflow; the DAGs are scheduled and paused
	@$(DEPLOY) up

.PHONY: down
down: setup ## Stop every process that was started here, and nothing else
	@$(DEPLOY) down

.PHONY: doctor
doctor: setup ## Tell what is wrong with this installation and the command that mends it
	@$(DEPLOY) doctor

.PHONY: test
test: tools images ## Run all tests, real recipes and Airflow included
	@$(PYTEST) -n 2 -m "$(FAST)"
	@# These share the engine and the machine's ports: one after the other.
	@$(PYTEST) -m "$(SHARING)"

.PHONY: test-fast
test-fast: tools ## Run the tests that need neither containers nor Airflow
	@$(PYTEST) -n 2 -m "$(FAST)"

.PHONY: lint
lint: setup ## Check style, types, layers, spelling and the lock file
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(VENV)/bin/codespell
	@$(PYTHON_IN) .ci/check_lock.py

.PHONY: bench
bench: engine ## Measure what the project promises to be fast at
	@$(DEPLOY) images uves
	@set -e; for bench in tests/bench/bench_*.py; do echo "== $$bench"; PYTHONPATH=plugins $(PYTHON_IN) $$bench; done

.PHONY: docs
docs: setup ## Write docs/dags.md from the DAGs
	@PYTHONPATH=plugins AIRFLOW_HOME=$$(mktemp -d) $(PYTHON_IN) -m phoenix.orchestration.documentation

.PHONY: lock
lock: setup ## Bring requirements.lock up to date with pyproject.toml; UPGRADE=1 renews all pins
	@$(PYTHON_IN) .ci/uv.py compile --quiet --universal --python-version 3.11 --generate-hashes --group dev \
		--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) pyproject.toml -o requirements.lock

.PHONY: clean
clean: ## Remove what tools left in the checkout; data in var/ and .venv stay
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -not -path './$(VENV)/*' -not -path './var/*' -prune -exec rm -rf {} +
