"""Real runs, daemons and whole machines are killed: pools are free again soon, and nothing is left."""

import os
import signal
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from leadpipe.warehouse import Warehouse
from leadpipe_tests.dagster_ui.processes import (
    REPOSITORY,
    DagsterUi,
    dagster_ui,
    environment,
    program,
    wait_for,
)
from leadpipe_tests.events.builders import rows
from posthog_sandbox.process import SandboxProcess

DAYS = 3
SOON = 120.0  # what the documentation promises
LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename
    ... on LaunchRunSuccess { run { runId } } ... on Error { message } }
}
"""
RUNS = """
{ runsOrError(limit: 100) { ... on Runs { results {
    runId status jobName rootRunId
    eventConnection(limit: 1000) { events { ... on MessageEvent { message } } }
} } } }
"""
_PID = "Executing steps in process (pid: "


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    """One of the test's own: requests that hang outlast the test."""
    with SandboxProcess.start() as process:
        yield process


@pytest.fixture
def env(machine_clock: None, sandbox: SandboxProcess, tmp_path: Path) -> dict[str, str]:
    """The environment of a leadpipe with three days to load, of which the last hangs in PostHog."""
    now = datetime.now(UTC)
    sandbox.control.set_clock(None)
    sandbox.control.generate(500, days=DAYS, end=now - timedelta(hours=6), seed=5)
    return environment(
        sandbox,
        PYTHONWARNINGS="ignore",
        LEADPIPE_DATA_DIR=str(tmp_path / "data"),
        LEADPIPE_START_DATE=(now - timedelta(days=DAYS)).date().isoformat(),
        LEADPIPE_PAGE_ROWS="20",
    )


def hang(sandbox: SandboxProcess, *, seconds: float = 600.0) -> None:
    """Let PostHog answer a load's later queries only after some time: until then its pages lie there."""
    sandbox.control.clear_faults()
    sandbox.control.fault(
        "stall", match="leadpipe: events from", after=4, times=-1, seconds=seconds
    )


def launch(ui: DagsterUi, env: Mapping[str, str]) -> str:
    """Start a sync over all days, as the UI does; its run's id."""
    days = {"start": env["LEADPIPE_START_DATE"], "end": datetime.now(UTC).date().isoformat()}
    launched = ui.ask(
        LAUNCH,
        params={
            "selector": {
                "repositoryName": "__repository__",
                "repositoryLocationName": "leadpipe.definitions",
                "pipelineName": "sync",
            },
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {
                "tags": [
                    {"key": f"dagster/asset_partition_range_{end}", "value": day}
                    for end, day in days.items()
                ]
            },
        },
    )["launchRun"]
    return str(launched["run"]["runId"])


def all_runs(ui: DagsterUi) -> dict[str, dict[str, Any]]:
    """All runs by their ids."""
    return {run["runId"]: run for run in ui.ask(RUNS)["runsOrError"]["results"]}


def status(ui: DagsterUi, run_id: str) -> str:
    """Dagster's status of a run."""
    return str(all_runs(ui)[run_id]["status"])


def process_of(ui: DagsterUi, run_id: str) -> int:
    """The process that executes a run."""
    (message,) = (
        event["message"]
        for event in all_runs(ui)[run_id]["eventConnection"]["events"]
        if event.get("message", "").startswith(_PID)
    )
    return int(message.removeprefix(_PID).removesuffix(")"))


def pages(home: Path, run_id: str = "*") -> list[Path]:
    """The page files of a run that lie in the landing folder."""
    return sorted((home / "data" / "landing").glob(f"{run_id}/*.ndjson"))


def wait_for_pages(home: Path, run_id: str = "*") -> None:
    """A run is in the middle of its load."""
    wait_for("page files", lambda: pages(home, run_id) or None, seconds=90)


def retry_of(ui: DagsterUi, run_id: str, *statuses: str) -> str:
    """Wait for the run that follows a dead one in the same pool; its id."""

    def found() -> str | None:
        for run in all_runs(ui).values():
            if run["rootRunId"] == run_id != run["runId"] and run["status"] in statuses:
                return str(run["runId"])
        return None

    return wait_for("a new run in the pool", found, seconds=SOON, every=0.5)


def ledger(home: Path) -> dict[str, str]:
    """The status of each run in leadpipe's own ledger."""
    warehouse = Warehouse(home / "data" / "leadpipe.duckdb", lock_timeout_seconds=10.0)
    return dict(rows(warehouse, "SELECT run_id, status FROM runs"))


def test_the_looks_at_runs_keep_the_promise():
    """A run that never began, or never ended its cancelling, is given up within two minutes."""
    monitoring = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())["run_monitoring"]
    every = monitoring.pop("poll_interval_seconds")
    assert monitoring.pop("enabled")
    assert {*monitoring} == {"start_timeout_seconds", "cancel_timeout_seconds"}
    assert max(monitoring.values()) + 2 * every <= SOON


@pytest.mark.long
def test_after_a_power_loss_the_pool_is_free_soon(sandbox, env, tmp_path):
    """Webserver, daemon, code server and run are killed at once; after a restart the run is retried."""
    hang(sandbox)
    with dagster_ui(tmp_path, env) as ui:
        run_id = launch(ui, env)
        wait_for_pages(tmp_path, run_id)
        left = tmp_path / "data" / "landing" / "outside-20261120T100000000000"
        left.mkdir()  # of a plan that was killed
        ui.kill()
        assert pages(tmp_path, run_id)
    sandbox.control.clear_faults()
    with dagster_ui(tmp_path, env) as ui:
        retry = retry_of(ui, run_id, "STARTED", "SUCCESS")
        assert status(ui, run_id) == "FAILURE"
        assert retry_of(ui, run_id, "SUCCESS") == retry
        assert pages(tmp_path) == []
        assert not left.exists()
    assert ledger(tmp_path) == {run_id: "succeeded"}


def test_a_killed_run_frees_its_pool_soon(sandbox, env, tmp_path):
    """Killed alone, a run of the daemon is retried, and one of the command line is over."""
    hang(sandbox)
    with dagster_ui(tmp_path, env) as ui:
        with program(
            ["-m", "leadpipe", "sync"],
            log=tmp_path / "sync.log",
            cwd=tmp_path,
            env={**env, "DAGSTER_HOME": str(tmp_path)},
        ) as sync:
            wait_for_pages(tmp_path)
            os.kill(sync.pid, signal.SIGKILL)
            sync.wait(10)
        (typed,) = all_runs(ui)
        wait_for("its failure", lambda: status(ui, typed) == "FAILURE" or None, seconds=SOON)
        hang(sandbox)
        run_id = launch(ui, env)
        wait_for_pages(tmp_path, run_id)
        assert pages(tmp_path, typed) == []
        assert ledger(tmp_path) == {typed: "interrupted", run_id: "running"}
        os.kill(process_of(ui, run_id), signal.SIGKILL)
        sandbox.control.clear_faults()
        retry_of(ui, run_id, "SUCCESS")
        assert pages(tmp_path) == []
    assert ledger(tmp_path) == {typed: "interrupted", run_id: "succeeded"}


@pytest.mark.long
def test_a_run_that_outlives_its_daemon_is_left_alone(sandbox, env, tmp_path):
    """All but the run are killed and started again: it is watched, not failed, and ends by itself."""
    hang(sandbox, seconds=45.0)
    with dagster_ui(tmp_path, env) as ui:
        run_id = launch(ui, env)
        wait_for_pages(tmp_path, run_id)
        ui.kill(spare=process_of(ui, run_id))
        with dagster_ui(tmp_path, env) as again:

            def is_watched() -> bool | None:
                log = (tmp_path / "daemon.log").read_text()
                return log.count(f"Checking run {run_id}") >= 2 or None

            wait_for("run monitoring", is_watched, seconds=60)
            assert status(again, run_id) == "STARTED"
            assert pages(tmp_path, run_id)
            sandbox.control.clear_faults()
            wait_for("its end", lambda: status(again, run_id) == "SUCCESS" or None, seconds=SOON)
            assert list(all_runs(again)) == [run_id]
    assert ledger(tmp_path) == {run_id: "succeeded"}
