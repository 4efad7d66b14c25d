"""A year's backfill by one worker and by four, on a lake that they share.

`python -m benchmarks backfill` starts PostgreSQL, an S3 server, Redis, a PostHog sandbox that thinks before
each answer, Dagster's daemon and the workers, asks for a year in the Dagster UI's way, and takes the time
to the end of its last run: a run a month, each in a process of its own.
"""

import os
import resource
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from leadpipe_tests.cluster.test_workers import (
    INSTANCE,
    assert_nothing_is_missing_or_twice,
    cluster_environment,
    in_bucket,
    lake_environment,
    shared_warehouse,
    worker,
)
from leadpipe_tests.dagster_ui.processes import dagster_ui, environment, wait_for
from leadpipe_tests.dagster_ui.test_backfill_in_the_ui import BACKFILL, LAUNCH
from leadpipe_tests.postgres import Postgres, postgres_server
from leadpipe_tests.redis_server import Redis, redis_server
from leadpipe_tests.s3_server import S3Bucket, running_s3_server
from posthog_sandbox.process import SandboxProcess

_DAYS = 365
_EVENTS = 100_000
_THINKS_SECONDS = 1.0
_LONGEST_SECONDS = 3_600


def run(*, is_full: bool) -> None:
    """Measure and print."""
    events = _EVENTS * (10 if is_full else 1)
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server())
        redis = stack.enter_context(redis_server())
        endpoint = stack.enter_context(running_s3_server())
        sandbox = stack.enter_context(SandboxProcess.start())
        sandbox.control.set_clock(None)
        sandbox.control.generate(events, days=_DAYS - 5, end=datetime.now(UTC) - timedelta(days=4))
        sandbox.control.fault(
            "stall", match="leadpipe: events from", times=-1, seconds=_THINKS_SECONDS
        )
        print(
            f"{events:,} events of {_DAYS} days; PostHog thinks {_THINKS_SECONDS:g} s before each page; "
            f"{os.cpu_count()} cores"
        )
        print(f"{'workers':<10}{'runs':>6}{'seconds':>10}{'CPU s':>8}{'against one':>13}")
        alone: float | None = None
        for workers in (1, 4):
            bucket = S3Bucket("ready", endpoint)
            seconds, cpu, runs = _backfill(sandbox, postgres, redis, bucket, workers=workers)
            alone = alone or seconds
            print(f"{workers:<10}{runs:>6}{seconds:>10.0f}{cpu:>8.0f}{seconds / alone:>13.2f}")


def _backfill(
    sandbox: SandboxProcess, postgres: Postgres, redis: Redis, bucket: S3Bucket, *, workers: int
) -> tuple[float, float, int]:
    """Seconds, CPU seconds of all processes but the servers, and runs."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        today = datetime.now(UTC).date()
        days = [str(today - timedelta(days=n)) for n in range(_DAYS)][::-1]
        env = {
            **environment(
                sandbox,
                LEADPIPE_START_DATE=days[0],
                LEADPIPE_DATA_DIR=str(home / "data"),
                DAGSTER_HOME=name,
                PYTHONWARNINGS="ignore",
            ),
            # What can wait has one place less than there are: a place stays free for what cannot.
            **cluster_environment(postgres, redis, workers=workers + 1),
            **lake_environment(postgres, home),
            **in_bucket(bucket),
            "LEADPIPE_LAKE_DATA": f"s3://{bucket.name}/backfill-{workers}/",
        }
        used = _cpu()
        with ExitStack() as stack:
            ui = stack.enter_context(dagster_ui(home, env, file=INSTANCE))
            for number in range(workers):
                stack.enter_context(worker(f"worker-{number}", home, env))
            began = time.monotonic()
            launched = ui.ask(LAUNCH, days=days)["launchPartitionBackfill"]

            def ended() -> dict[str, Any] | None:
                found = ui.ask(BACKFILL, id=launched["backfillId"])["partitionBackfillOrError"]
                return found if found["status"] != "REQUESTED" else None

            backfill = wait_for("the backfill", ended, seconds=_LONGEST_SECONDS, every=1.0)
            seconds = time.monotonic() - began
        if backfill["status"] != "COMPLETED_SUCCESS":
            raise RuntimeError(f"the backfill ended as {backfill['status']}")
        assert_nothing_is_missing_or_twice(shared_warehouse(env), sandbox)
        return seconds, _cpu() - used, len(backfill["runs"])


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
