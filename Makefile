# Everything a fresh machine with Python 3.11+, pip and make needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export DAGSTER_HOME := $(CURDIR)
export DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS := true

.DEFAULT_GOAL := help
.PHONY: help setup demo up programs test test-calendar test-walks test-kills test-deliveries test-domains test-installed lint format clean lock bench

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

up: $(READY)  ## Start the Dagster UI (http://127.0.0.1:3000) and the web page (http://localhost:3002/admin/sync).
	$(BIN)/leadpipe up

programs:  ## Install Chromium, nginx and Caddy for the tests, if they are not there (as root).
	.ci/programs

test: programs lint  ## Check format, lint, types and import walls, then run all tests: what CI runs.
	$(BIN)/pytest

test-calendar: $(READY)  ## Run all tests as if it were other dates: a leap day, the end of a year, … (slow).
	$(BIN)/python -m leadpipe_tests.calendar

test-walks: $(READY)  ## Let 200 random walks happen in PostHog, and compare the warehouse event by event (slow).
	$(BIN)/python -m leadpipe_tests.events.walks

test-kills: $(READY)  ## Kill 60 syncs in all their phases, and compare with one that nobody disturbed (slow).
	$(BIN)/python -m leadpipe_tests.dagster_ui.kills

test-deliveries: $(READY)  ## Prove that no lead is lost or sent twice: 10,000 to nasty partners, 200 kills, 500,000 fuzzed (slow).
	$(BIN)/python -m leadpipe_tests.delivery.proof

test-installed: $(READY)  ## Install the wheel with pipx and everything it needs, and try it in an empty folder.
	$(BIN)/python -m leadpipe_tests.installed

test-domains: programs $(READY)  ## Delete domains, each in a copy, and run all tests that are left.
	$(BIN)/python -m leadpipe_tests.deleting

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

lock:  ## Lock the newest allowed packages, with hashes (needs uv).
	uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --extra sandbox --group dev \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links -o requirements.lock

clean:  ## Remove the warehouse, published tables and Dagster's storage. Settings stay.
	rm -rf data/leadpipe.duckdb data/leadpipe.duckdb.wal data/published data/published-personal \
		data/lead_edits.sqlite data/lead_edits.sqlite-wal data/lead_edits.sqlite-shm data/landing data/dagster \
		data/first_day data/sandbox.json data/sandbox data/inbox.sqlite data/inbox.sqlite-wal \
		data/inbox.sqlite-shm data/session_key data/dagster_key data/logins.sqlite data/logins.sqlite-wal \
		data/logins.sqlite-shm
