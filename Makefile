# Everything a fresh machine with Python 3.11+, pip and make needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DBT := .venv-dbt
DBT_READY := $(DBT)/.ready
# Tests wait for processes that they start a good part of their time: three at a time keep two cores busy. A worker
# that has nothing left takes over tests of another, so modules mostly stay together with their fixtures.
WORKERS ?= 3
PARALLEL := --numprocesses=$(WORKERS) --dist=worksteal
# Where the statements are that a lake may refuse, or answer otherwise.
ON_A_LAKE := $(addprefix leadpipe_tests/,warehouse events/test_ingest.py leads/test_folding.py listings/test_totals.py \
	draws/test_drawing.py delivery/test_partner_events.py delivery/test_reconciling.py published/test_stored_events.py)
UV ?= uv
ENGINE ?= docker
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' leadpipe/__init__.py)
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links
export DAGSTER_HOME := $(CURDIR)
export DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS := true

.DEFAULT_GOAL := help
.PHONY: help setup demo up programs examples test test-long test-lake test-shared-lake test-calendar test-orders test-walks test-kills test-deliveries test-domains test-cluster test-installed test-image lint format clean lock bench \
	notice sbom audit release image

help:  ## List what can be made.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(READY)  ## Make .venv with exactly the locked packages.

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("leadpipe needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@chmod 700 data
	@touch $(READY)

demo: $(READY)  ## Load a PostHog sandbox into DuckDB and show what came out.
	$(BIN)/leadpipe demo

up: $(READY)  ## Start the Dagster UI (http://127.0.0.1:3000) and the web page (http://localhost:3002/).
	$(BIN)/leadpipe up

programs:  ## Install Chromium, nginx and Caddy for the tests, if they are not there (as root).
	.ci/programs

examples: $(DBT_READY)  ## Make .venv-dbt, an environment of its own for the dbt example.

$(DBT_READY): examples/dbt/requirements.lock
	$(PYTHON) -m venv $(DBT)
	$(DBT)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r examples/dbt/requirements.lock
	@touch $(DBT_READY)

test: programs examples lint  ## Check format, lint, types and import walls, then run all tests: what CI runs.
	$(BIN)/pytest $(PARALLEL)
	$(BIN)/python -m pytest $(PARALLEL) -p leadpipe_tests.on_a_lake $(ON_A_LAKE)

test-long: programs $(READY)  ## Run the tests that `make test` leaves out, since each takes long beside a shorter one.
	$(BIN)/pytest $(PARALLEL) -m long

test-lake: programs examples $(READY)  ## Run all tests with every warehouse a lake, but those of the file itself (slow).
	$(BIN)/python -m pytest $(PARALLEL) -p leadpipe_tests.on_a_lake

test-shared-lake: $(READY)  ## Run the tests marked so with every warehouse a lake that several machines share.
	$(BIN)/python -m pytest -p leadpipe_tests.on_a_shared_lake -m shared_lake

test-calendar: $(READY)  ## Run all tests as if it were other dates: a leap day, the end of a year, … (slow).
	$(BIN)/python -m leadpipe_tests.calendar -- $(PARALLEL)

test-orders: $(READY)  ## Try the rules on deliveries in any order, by any lane, with fifty times as many examples (slow).
	LEADPIPE_TESTS_TIMES=50 $(BIN)/pytest $(PARALLEL) \
		$$($(BIN)/python -m leadpipe_tests.orders)

test-walks: $(READY)  ## Let 200 random walks happen in PostHog, and compare the warehouse event by event (slow).
	$(BIN)/python -m leadpipe_tests.events.walks

test-kills: $(READY)  ## Kill 60 syncs and 30 loads by downloads in all phases, and compare with undisturbed ones (slow).
	$(BIN)/python -m leadpipe_tests.dagster_ui.kills
	$(BIN)/python -m leadpipe_tests.events.exported.kills

test-deliveries: $(READY)  ## Prove that no lead is lost or sent twice: 10,000 to nasty partners, 200 kills, 500,000 fuzzed (slow).
	$(BIN)/python -m leadpipe_tests.delivery.proof

test-cluster: $(READY)  ## Kill 20 of four workers that load the same events into a lake on PostgreSQL and S3 (slow).
	$(BIN)/python -m leadpipe_tests.warehouse.workers

test-installed: $(READY)  ## Install the wheel with pipx and everything it needs, and try it in an empty folder.
	$(BIN)/python -m leadpipe_tests.installed

test-domains: programs $(READY)  ## Delete domains, each in a copy, and run all tests that are left.
	$(BIN)/python -m leadpipe_tests.deleting $(PARALLEL)

test-image: $(READY)  ## Install the production lock as the image does, with downloads, and run its commands (as root).
	$(BIN)/python -m leadpipe_tests.deploy.image

lint: $(READY)  ## Check format, lint, types, import walls and dependencies.
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry .

format: $(READY)  ## Format and fix what can be fixed.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## Measure speed and memory side by side with what one would use instead.
	$(BIN)/python -m benchmarks

lock:  ## Lock the newest allowed packages, with hashes: for all four uses (needs uv).
	$(LOCK) pyproject.toml --extra sandbox --extra lake --extra cluster --group dev -o requirements.lock
	$(LOCK) pyproject.toml --extra lake --extra cluster --constraint requirements.lock -o requirements-production.lock
	$(LOCK) --group build --constraint requirements.lock -o requirements-build.lock
	$(LOCK) examples/dbt/requirements.in -o examples/dbt/requirements.lock

notice: $(READY)  ## Write NOTICE anew: the licences of what production installs.
	$(BIN)/python -m leadpipe_tests.release.notice

sbom: $(READY)  ## Write what production installs to dist/, as CycloneDX.
	$(BIN)/python -m leadpipe_tests.release.sbom

audit: $(READY)  ## Ask for known vulnerabilities of what production installs (needs the network).
	$(BIN)/python -m leadpipe_tests.release.audit

release: $(READY)  ## Make wheel, source archive, checksums and SBOM in dist/, and look whether all is ready.
	$(BIN)/python -m leadpipe_tests.release.make

image:  ## Build the container image (needs Docker or Podman).
	$(ENGINE) build --file deploy/Dockerfile --tag leadpipe:$(VERSION) --build-arg VERSION=$(VERSION) .

clean:  ## Remove the warehouse, published tables and Dagster's storage. Settings stay.
	rm -rf data/leadpipe.duckdb data/leadpipe.duckdb.wal data/published data/published-personal \
		data/lead_edits.sqlite data/lead_edits.sqlite-wal data/lead_edits.sqlite-shm data/landing data/dagster \
		data/first_day data/sandbox.json data/sandbox data/inbox.sqlite data/inbox.sqlite-wal \
		data/inbox.sqlite-shm data/session_key data/dagster_key data/logins.sqlite data/logins.sqlite-wal \
		data/logins.sqlite-shm
