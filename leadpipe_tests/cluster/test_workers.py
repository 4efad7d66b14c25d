"""Several workers: real PostgreSQL, Redis, daemon and Celery workers, of which some are killed."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from leadpipe.errors import NotPublished
from leadpipe.events.connecting import event_mapping
from leadpipe.events.settings import EventsSettings
from leadpipe.places import Lake, StoreKeys
from leadpipe.published.reading import query
from leadpipe.queues import QUEUE_TAG
from leadpipe.settings import load_settings
from leadpipe.warehouse import Warehouse
from leadpipe_tests.dagster_ui.processes import (
    DagsterUi,
    dagster_ui,
    environment,
    free_port,
    program,
    wait_for,
)
from leadpipe_tests.events.builders import rows
from leadpipe_tests.postgres import Postgres
from leadpipe_tests.redis_server import Redis, redis_server
from leadpipe_tests.s3_server import S3Bucket
from posthog_sandbox.process import SandboxProcess

DAYS = 3
SOON = 150.0
INSTANCE = "leadpipe/cluster/dagster.yaml"
_LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename
    ... on LaunchRunSuccess { run { runId } } ... on Error { message } }
}
"""
_RUNS = """
{ runsOrError(limit: 100) { ... on Runs { results {
    runId status jobName rootRunId tags { key value }
    eventConnection(limit: 1000) { events { ... on MessageEvent { message } } }
} } } }
"""
_CANCEL = """
mutation ($id: String!) { terminateRun(runId: $id) { __typename ... on Error { message } } }
"""


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    """One of the test's own: requests that hang outlast the test."""
    with SandboxProcess.start() as process:
        yield process


@pytest.fixture
def env(machine_clock, sandbox, postgres, redis, tmp_path) -> dict[str, str]:
    """The environment of all machines of a cluster, with three days to load."""
    now = datetime.now(UTC)
    sandbox.control.set_clock(None)
    sandbox.control.generate(300, days=DAYS, end=now - timedelta(hours=6), seed=5)
    return environment(
        sandbox,
        PYTHONWARNINGS="ignore",
        LEADPIPE_DATA_DIR=str(tmp_path / "data"),
        LEADPIPE_START_DATE=(now - timedelta(days=DAYS, hours=6)).date().isoformat(),
        LEADPIPE_PAGE_ROWS="20",
        DAGSTER_HOME=str(tmp_path),
        **cluster_environment(postgres, redis, workers=2),
        **lake_environment(postgres, tmp_path),
    )


def cluster_environment(postgres: Postgres, redis: Redis, *, workers: int) -> dict[str, str]:
    """What makes a cluster, with a database of its own in each server."""
    return {
        "LEADPIPE_BROKER": redis.new_database(),
        "DAGSTER_PG_URL": url_of(postgres.new_database()),
        "LEADPIPE_WORKERS": str(workers),
    }


def lake_environment(postgres: Postgres, folder: Path) -> dict[str, str]:
    """What makes the warehouse a lake that the machines of a cluster share."""
    return {
        "LEADPIPE_WAREHOUSE": "ducklake:postgres",
        "LEADPIPE_LAKE_POSTGRES": postgres.new_database(),
        "LEADPIPE_LAKE_STATE": postgres.new_database(),
        "LEADPIPE_LAKE_DATA": f"{folder}/lake/",
    }


def in_bucket(bucket: S3Bucket) -> dict[str, str]:
    """That the lake's data is in a bucket."""
    return {
        "LEADPIPE_LAKE_DATA": f"s3://{bucket.name}/lake/",
        "LEADPIPE_LAKE_ENDPOINT": bucket.endpoint,
        "LEADPIPE_LAKE_KEY_ID": bucket.destination["key_id"],
        "LEADPIPE_LAKE_SECRET": bucket.destination["secret"],
    }


def shared_warehouse(env: Mapping[str, str]) -> Warehouse:
    """The lake that an environment names."""
    keys = None
    if "LEADPIPE_LAKE_SECRET" in env:
        keys = StoreKeys(
            env["LEADPIPE_LAKE_KEY_ID"],
            SecretStr(env["LEADPIPE_LAKE_SECRET"]),
            endpoint=urlsplit(env["LEADPIPE_LAKE_ENDPOINT"]).netloc,
            is_https=False,
        )
    lake = Lake(
        f"postgres:{env['LEADPIPE_LAKE_POSTGRES']}",
        env["LEADPIPE_LAKE_DATA"],
        keys,
        state=env["LEADPIPE_LAKE_STATE"],
    )
    path = Path(env["LEADPIPE_DATA_DIR"]) / "leadpipe.duckdb"
    return Warehouse(path, lock_timeout_seconds=10.0, lake=lake)


def of_another_machine(env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The same environment on a machine with folders of its own."""
    folder.mkdir()
    return {**env, "LEADPIPE_DATA_DIR": str(folder / "data"), "DAGSTER_HOME": str(folder)}


def url_of(address: str) -> str:
    """A database of libpq's words as SQLAlchemy writes it."""
    parts = dict(word.split("=") for word in address.split())
    return (
        f"postgresql+psycopg2://{parts['user']}@{parts['host']}:{parts['port']}/{parts['dbname']}"
    )


@contextmanager
def worker(name: str, home: Path, env: Mapping[str, str], *options: str) -> Iterator[int]:
    """A worker that is ready; its process."""
    log = home / f"{name}.log"
    with program(["-m", "leadpipe", "worker", *options], log=log, cwd=home, env=env) as process:

        def ready() -> bool | None:
            assert process.poll() is None, log.read_text()
            return True if children_of(process.pid) else None

        wait_for("the worker", ready, seconds=60)
        yield process.pid


def children_of(process: int) -> list[int]:
    """The processes that a process has started."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    return [
        pid
        for pid, parent in (map(int, line.split()) for line in listed.splitlines())
        if parent == process
    ]


def launch(ui: DagsterUi, first: str, last: str, job: str = "sync") -> str:
    """Start a run over days; its id."""
    launched = ui.ask(
        _LAUNCH,
        params={
            "selector": {
                "repositoryName": "__repository__",
                "repositoryLocationName": "leadpipe.definitions",
                "pipelineName": job,
            },
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {
                "tags": [
                    {"key": "dagster/asset_partition_range_start", "value": first},
                    {"key": "dagster/asset_partition_range_end", "value": last},
                ]
            },
        },
    )["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def all_runs(ui: DagsterUi) -> dict[str, dict[str, Any]]:
    """All runs by their ids."""
    return {run["runId"]: run for run in ui.ask(_RUNS)["runsOrError"]["results"]}


def said(run: Mapping[str, Any]) -> str:
    """What the events of a run say."""
    return "\n".join(event.get("message", "") for event in run["eventConnection"]["events"])


def process_of(run: Mapping[str, Any]) -> int | None:
    """The process that executes a run."""
    found = re.search(r"Started process for run \(pid: (\d+)\)", said(run))
    return int(found[1]) if found else None


def wait_for_status(
    ui: DagsterUi, run_id: str, *statuses: str, seconds: float = SOON
) -> dict[str, Any]:
    """A run that has come that far."""

    def found() -> dict[str, Any] | None:
        run = all_runs(ui)[run_id]
        return run if run["status"] in statuses else None

    return wait_for(f"{' or '.join(statuses)} of {run_id}", found, seconds=seconds, every=0.5)


def days_of(env: Mapping[str, str]) -> list[str]:
    """The days to load, up to today."""
    first = date.fromisoformat(env["LEADPIPE_START_DATE"])
    count = (datetime.now(UTC).date() - first).days + 1
    return [(first + timedelta(days=number)).isoformat() for number in range(count)]


def worker_of(pids: Sequence[int], run: Mapping[str, Any]) -> int:
    """Which worker executes a run: the one that started its process."""
    process = process_of(run)
    (found,) = (pid for pid in pids if process in children_of(pid))
    return found


def assert_nothing_is_missing_or_twice(warehouse: Warehouse, sandbox: SandboxProcess) -> int:
    """Each event that leadpipe reads is stored once, or was rejected; how many are stored."""
    ((stored, distinct),) = rows(warehouse, "SELECT count(*), count(DISTINCT uuid) FROM raw_events")
    ((rejected,),) = rows(warehouse, "SELECT count(DISTINCT content_hash) FROM rejected_events")
    names = event_mapping(load_settings(EventsSettings)).names
    sent = sandbox.control.truth()["by_event"]
    assert stored == distinct
    assert stored + rejected == sum(count for name, count in sent.items() if name in names)
    return int(stored)


def hang(sandbox: SandboxProcess) -> None:
    """Let PostHog answer a load's later queries only after some time: the runs are under way until then."""
    sandbox.control.fault("stall", match="leadpipe: events from", after=2, times=-1, seconds=600.0)


def test_each_worker_executes_a_run_and_one_is_killed(env, sandbox, s3_bucket, tmp_path):
    """A run each at once, on machines of their own that share a lake in a bucket.

    Of a worker that is killed the run fails and is started again; nothing is twice. What they publish is
    published where the page is, too.
    """
    env |= in_bucket(s3_bucket)
    first, second, third, *_, last = days_of(env)
    with ExitStack() as stack:
        ui = stack.enter_context(dagster_ui(tmp_path, env, file=INSTANCE))
        pids = [
            stack.enter_context(worker(name, folder, of_another_machine(env, folder)))
            for name in ("one", "two")
            if (folder := tmp_path / name)
        ]
        stack.enter_context(worker("edge", tmp_path, env, "--queue", "edge"))
        hang(sandbox)
        started = [launch(ui, first, second), launch(ui, third, last)]
        runs = [wait_until_at_work(ui, run_id) for run_id in started]
        workers = [worker_of(pids, run) for run in runs]
        assert sorted(workers) == sorted(pids)
        os.kill(workers[0], signal.SIGKILL)
        sandbox.control.clear_faults()
        dead = wait_for_status(ui, started[0], "FAILURE")
        assert "the process ended before the run did" in said(dead)
        again = wait_for("the run again", lambda: retry_of(ui, started[0]), seconds=SOON, every=1.0)
        assert wait_for_status(ui, again, "SUCCESS", "FAILURE")["status"] == "SUCCESS"
        assert wait_for_status(ui, started[1], "SUCCESS", "FAILURE")["status"] == "SUCCESS"
        stored = assert_nothing_is_missing_or_twice(shared_warehouse(env), sandbox)
        wait_for(
            "the publication for the page",
            lambda: published_events(tmp_path / "data" / "published") == stored or None,
            seconds=SOON,
            every=1.0,
        )
        runs = list(all_runs(ui).values())
    queues = {
        (run["jobName"], tag["value"])
        for run in runs
        for tag in run["tags"]
        if tag["key"] == QUEUE_TAG
    }
    assert queues == {("sync", "dagster"), ("publication", "edge")}
    assert places(env) == 2


def published_events(folder: Path) -> int:
    """How many events a machine's publication counts."""
    with suppress(NotPublished):
        found = query(folder, "SELECT sum(events)::BIGINT FROM events_by_day").rows[0][0]
        return int(str(found or 0))
    return 0


def wait_until_at_work(ui: DagsterUi, run_id: str) -> dict[str, Any]:
    """A run that a worker executes, with the lock that says so."""

    def found() -> dict[str, Any] | None:
        run = all_runs(ui)[run_id]
        has_lock = {"key": "leadpipe/lock", "value": run_id} in run["tags"]
        return run if run["status"] == "STARTED" and has_lock else None

    return wait_for("its process", found, seconds=SOON, every=0.5)


def retry_of(ui: DagsterUi, run_id: str) -> str | None:
    """The run that follows a dead one."""
    later = [r["runId"] for r in all_runs(ui).values() if r["rootRunId"] == run_id != r["runId"]]
    return later[0] if later else None


def places(env: Mapping[str, str]) -> int:
    """How many runs Dagster lets into the pool of the warehouse at once."""
    address = env["DAGSTER_PG_URL"].replace("+psycopg2", "")
    with psycopg.connect(address) as connection:
        row = connection.execute(
            "SELECT \"limit\" FROM concurrency_limits WHERE concurrency_key = 'warehouse'"
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.long
def test_a_run_is_cancelled_on_its_worker(env, sandbox, tmp_path):
    """The run ends as cancelled, is not started again, and its worker takes the next one."""
    first, *_, last = days_of(env)
    with ExitStack() as stack:
        ui = stack.enter_context(dagster_ui(tmp_path, env, file=INSTANCE))
        stack.enter_context(worker("one", tmp_path, env))
        hang(sandbox)
        run_id = launch(ui, first, last)
        wait_until_at_work(ui, run_id)
        answer = ui.ask(_CANCEL, id=run_id)["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer
        wait_for_status(ui, run_id, "CANCELED")
        sandbox.control.clear_faults()
        after = launch(ui, last, last, job="morning_message")
        assert wait_for_status(ui, after, "SUCCESS", "FAILURE")["status"] == "SUCCESS"
        assert retry_of(ui, run_id) is None


@pytest.mark.long
def test_without_a_broker_runs_wait(env, tmp_path):
    """A run that cannot be handed out says where the broker should be, and is executed when that is there."""
    port = free_port()
    first, *_, last = days_of(env)
    env = {**env, "LEADPIPE_BROKER": f"redis://:sesame-sesame-sesame@127.0.0.1:{port}/0"}
    done = subprocess.run(
        [sys.executable, "-m", "leadpipe", "worker"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.fullmatch(
        rf"Error: The broker at 127\.0\.0\.1:{port} does not answer \(.*refused\)\. Start Redis there, or "
        r"correct LEADPIPE_BROKER\.\n",
        done.stderr,
    ), done.stderr
    env["LEADPIPE_BROKER"] = f"redis://127.0.0.1:{port}/0"
    with ExitStack() as stack:
        ui = stack.enter_context(dagster_ui(tmp_path, env, file=INSTANCE))
        run_id = launch(ui, first, last, job="morning_message")

        def told() -> bool | None:
            return (
                f"The broker at 127.0.0.1:{port} does not answer" in said(all_runs(ui)[run_id])
                or None
            )

        wait_for("word of the broker", told, seconds=SOON, every=0.5)
        wait_for_status(ui, run_id, "QUEUED")
        stack.enter_context(redis_server(port))
        stack.enter_context(worker("one", tmp_path, env))
        assert wait_for_status(ui, run_id, "SUCCESS", "FAILURE")["status"] == "SUCCESS"
