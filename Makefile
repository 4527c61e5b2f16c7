# Two commands do everything: `make run-local` and `make test`. `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

# Bytecode halves the start of every process; some shells switch it off.
unexport PYTHONDONTWRITEBYTECODE
export UV_COMPILE_BYTECODE := 1

CONFIG ?= configs/flights.yaml
ENV ?= configs/env/local.yaml
# Where the cloud commands work, unless ENV says otherwise.
CLOUD := $(if $(filter command line environment,$(origin ENV)),$(ENV),configs/env/dev.yaml)
PYTHON ?= $(shell command -v python3.11 || command -v python3)
STATE := .plumbline

UV := $(shell command -v uv 2>/dev/null || echo $(STATE)/uv/bin/uv)
READY := .venv/.ready
RUN := .venv/bin/python -m pipelines
OVERRIDES = $(if $(PROJECT),--project $(PROJECT)) $(if $(REGION),--location $(REGION))
PLACE = --config $(CONFIG) --env $(CLOUD) --state $(STATE) $(OVERRIDES)

##@ Everyday
.PHONY: run-local
run-local: $(READY) ## Run the whole pipeline on this machine: table to monitored endpoint, no account needed
	@$(RUN) run-local --config $(CONFIG) --env $(ENV) --state $(STATE)

.PHONY: serve-local
serve-local: $(READY) ## Keep the endpoint of the last run up until Ctrl-C
	@$(RUN) serve-local --config $(CONFIG) --env $(ENV) --state $(STATE)

.PHONY: stop
stop: $(READY) ## End the emulator now (it ends by itself ten minutes after the last command)
	@$(RUN) stop --state $(STATE)

.PHONY: sample-data
sample-data: $(READY) ## Load the example's tables into the environment's BigQuery (run-local does it by itself)
	@$(RUN) sample-data --env $(ENV) --state $(STATE) $(OVERRIDES)

.PHONY: load-table
load-table: $(READY) ## Load a table of your own: make load-table TABLE=orders FILE=orders.parquet
	@$(RUN) load-table --env $(ENV) --state $(STATE) $(OVERRIDES) --table $(TABLE) --file $(FILE)

.PHONY: load
load: $(READY) ## Ask the endpoint by a schedule, and see what it holds: RATES=5,20,80 SPIKE=160
	@$(RUN) load --config $(CONFIG) --env $(ENV) --state $(STATE) $(OVERRIDES) $(if $(RATES),--rates $(RATES)) \
	  $(if $(SPIKE),--spike $(SPIKE)) $(if $(STEP_S),--seconds $(STEP_S)) $(if $(LIMIT_MS),--limit-ms $(LIMIT_MS)) \
	  $(if $(filter yes,$(YES)),--yes)

.PHONY: ablate
ablate: $(READY) ## Say what each group of features is worth: a training without each (SEEDS=3), on the last run's dataset
	@$(RUN) ablate --config $(CONFIG) --env $(ENV) --state $(STATE) $(OVERRIDES) $(if $(SEEDS),--seeds $(SEEDS))

.PHONY: rollback
rollback: $(READY) ## Put the version before back in service, at once; ENV=... says where
	@$(RUN) rollback --config $(CONFIG) --env $(ENV) --state $(STATE) $(OVERRIDES)

.PHONY: simulate
simulate: $(READY) ## A year of flights in minutes: predictions, late labels, drift, alerts, retraining; PERIODS=4 plays less
	@$(RUN) simulate --config $(CONFIG) --env $(ENV) --state $(STATE) $(OVERRIDES) $(if $(PERIODS),--periods $(PERIODS)) $(if $(A_DAY),--a-day $(A_DAY))

.PHONY: evaluate
evaluate: $(READY) ## Judge the model that serves on what it said and what came of it; AT=2013-11-08T00:00 looks from then
	@$(RUN) evaluate --config $(CONFIG) --env $(ENV) --state $(STATE) $(OVERRIDES) $(if $(AT),--at $(AT)) $(if $(filter no,$(WAIT)),--no-wait)

.PHONY: retrain
retrain: $(READY) ## Look once whether to train a new model, say why, and train it; START=no only says it
	@$(RUN) retrain --config $(CONFIG) --env $(ENV) --state $(STATE) $(OVERRIDES) $(if $(filter no,$(START)),--look) $(if $(filter no,$(WAIT)),--no-wait)

.PHONY: monitor
monitor: $(READY) ## Say how far features and answers have moved since training and since the window before (HOURS=24)
	@$(RUN) monitor --config $(CONFIG) --env $(ENV) --state $(STATE) $(OVERRIDES) $(if $(HOURS),--hours $(HOURS)) $(if $(UNTIL),--until $(UNTIL))

.PHONY: dry-run
dry-run: $(READY) ## Run the graphs with fake components through every scenario, in seconds
	@$(RUN) compile --output $(STATE)/training.yaml --quiet
	@$(RUN) compile --graph evaluation --output $(STATE)/evaluation.yaml --quiet
	@.venv/bin/python -m emulator.runtime dry-run --pipeline $(STATE)/training.yaml tests/scenarios/*.yaml
	@.venv/bin/python -m emulator.runtime dry-run --pipeline $(STATE)/evaluation.yaml tests/scenarios/evaluation/*.yaml

.PHONY: compile
compile: $(READY) ## Compile the pipelines to training.yaml and evaluation.yaml, check them, compare them with the golden files
	@$(RUN) compile --golden
	@$(RUN) compile --graph evaluation --golden

.PHONY: setup
setup: $(READY) ## Set up the environment in .venv (the other commands do it by themselves)

##@ Google Cloud (PROJECT=my-project REGION=us-central1, or write them into ENV)
.PHONY: run-pipeline
run-pipeline: $(READY) ## Run the whole pipeline on Vertex AI; WAIT=no only submits
	@$(RUN) run-pipeline $(PLACE) $(if $(filter no,$(WAIT)),--no-wait)

.PHONY: doctor
doctor: $(READY) ## Find all that would stop a run, with the command that mends it; OFFLINE=yes asks nobody
	@$(RUN) doctor $(PLACE) $(if $(filter yes,$(OFFLINE)),--offline)

.PHONY: plan
plan: $(READY) ## Show what a run would make, change and reuse, and what it would cost
	@$(RUN) plan $(PLACE)

.PHONY: images
images: $(READY) ## Build the three images with Cloud Build, unless they are there for this code
	@$(RUN) images $(PLACE)

.PHONY: schedule
schedule: $(READY) ## Make or change the schedules on which training and evaluation run by themselves
	@$(RUN) schedule $(PLACE)

.PHONY: cancel
cancel: $(READY) ## End the runs of the problem that are under way, or RUN_ID=...
	@$(RUN) cancel $(PLACE) $(if $(RUN_ID),--run $(RUN_ID))

.PHONY: janitor
janitor: $(READY) ## List what is there and costs money, and what no run owns
	@$(RUN) janitor $(PLACE)

.PHONY: clean-cloud
clean-cloud: $(READY) ## Undeploy everything that costs money by the hour (asks first, YES=yes does not)
	@$(RUN) clean-cloud $(PLACE) $(if $(filter yes,$(YES)),--yes)

.PHONY: publish
publish: $(READY) ## Publish the compiled pipeline to the pipeline repository under TAG=...
	@$(RUN) publish $(PLACE) --tag $(TAG)

##@ Quality
.PHONY: test
test: $(READY) ## Run all tests
	.venv/bin/python -m pytest

.PHONY: check
check: format-check lint types imports compile test ## All that CI asks: format, lint, types, imports, golden pipeline, docs, tests

.PHONY: format
format: $(READY) ## Format the code
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

.PHONY: format-check
format-check: $(READY)
	.venv/bin/ruff format --check .

.PHONY: lint
lint: $(READY) ## Lint
	.venv/bin/ruff check .

.PHONY: types
types: $(READY) ## Check the types
	.venv/bin/mypy

.PHONY: imports
imports: $(READY) ## Check which folder imports which
	.venv/bin/lint-imports --no-cache

.PHONY: generate
generate: $(READY) ## Write what is generated: golden pipeline, JSON schemas, permissions, pages of docs
	@$(RUN) compile --output tests/golden/training.yaml
	@$(RUN) compile --graph evaluation --output tests/golden/evaluation.yaml
	@$(RUN) schemas
	@$(RUN) permissions
	@.venv/bin/python -m emulator.platform.table emulator/platform/methods.json
	@.venv/bin/python -m tests.contract.reliability docs/reliability.md
	@.venv/bin/python -m emulator.page docs/emulator.md
	@.venv/bin/python -m drills --page docs/guards.md

.PHONY: drill
drill: $(READY) ## Put a fault into a real run and see it caught: all drills, or DRILL=leakage; GUARDS=no takes each guard away
	@.venv/bin/python -m drills $(DRILL) $(if $(filter no,$(GUARDS)),--without-guard)

.PHONY: audit
audit: $(READY) ## List the packages of the images (SBOM) and the known vulnerabilities among them; needs the network
	containers/audit.sh

.PHONY: bench
bench: $(READY) ## Measure speed, in ten minutes, or one PART=...; docs/performance.md explains the figures
	@.venv/bin/python -m tests.bench $(PART)

##@ Housekeeping
.PHONY: clean
clean: ## Remove what runs have left (not the environment)
	@test ! -e $(READY) || $(RUN) stop --state $(STATE)
	rm -rf $(STATE)/emulator $(STATE)/runs $(STATE)/compiled $(STATE)/drills $(STATE)/ablation $(STATE)/load $(STATE)/monitoring $(STATE)/simulation $(STATE)/training.yaml $(STATE)/evaluation.yaml training.yaml evaluation.yaml .mypy_cache .pytest_cache .ruff_cache

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nCONFIG=%s and ENV=%s choose another problem or another place.\n' "$(CONFIG)" "$(ENV)"

$(STATE)/uv/bin/uv:
	@echo "uv is not installed: getting it from PyPI into $(STATE)/uv"
	@$(PYTHON) -m venv $(STATE)/uv
	@$(STATE)/uv/bin/pip install --quiet --disable-pip-version-check uv==0.13.9

$(READY): pyproject.toml uv.lock | $(UV)
	@$(UV) sync --frozen --all-extras --no-extra trainer-gpu --quiet
	@touch $@
