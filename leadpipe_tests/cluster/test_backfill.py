"""A backfill is cut into runs of a month, for as many workers as there are: from the running UI."""

import json
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from leadpipe.queues import BULK, QUEUE_TAG
from leadpipe_tests.cluster.test_workers import (
    INSTANCE,
    all_runs,
    assert_nothing_is_missing_or_twice,
    cluster_environment,
    lake_environment,
    shared_warehouse,
    worker,
)
from leadpipe_tests.dagster_ui.processes import dagster_ui, environment, wait_for
from leadpipe_tests.dagster_ui.test_backfill_in_the_ui import BACKFILL, LAUNCH
from leadpipe_tests.events.builders import rows

EVENTS, DAYS = 600, 60


def sync(home, env, *words):
    """Type `leadpipe sync`, a person's way to the same."""
    return subprocess.run(
        [sys.executable, "-m", "leadpipe", "sync", *words],
        cwd=home,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


@pytest.mark.long
def test_a_backfill_is_a_run_a_month(machine_clock, sandbox, postgres, redis, tmp_path):
    """Sixty days are two runs of thirty for what can wait, and one sync of the ledger; typed, the same."""
    now = datetime.now(UTC)
    first = now.date() - timedelta(days=DAYS - 1)
    days = [(first + timedelta(days=n)).isoformat() for n in range(DAYS)]
    sandbox.control.generate(EVENTS, days=DAYS - 5, end=now - timedelta(days=4))
    env = {
        **environment(
            sandbox,
            LEADPIPE_START_DATE=first.isoformat(),
            LEADPIPE_DATA_DIR=str(tmp_path / "data"),
            DAGSTER_HOME=str(tmp_path),
        ),
        **cluster_environment(postgres, redis, workers=3),
        **lake_environment(postgres, tmp_path),
    }
    alone = sync(tmp_path, env)
    assert (alone.returncode, "Dagster's daemon is not running" in alone.stderr) == (1, True), alone
    (tmp_path / "dagster.yaml").unlink()
    with ExitStack() as stack:
        ui = stack.enter_context(dagster_ui(tmp_path, env, file=INSTANCE))
        for name in ("one", "two"):
            stack.enter_context(worker(name, tmp_path, env))
        launched = ui.ask(LAUNCH, days=days)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched

        def ended():
            backfill = ui.ask(BACKFILL, id=launched["backfillId"])["partitionBackfillOrError"]
            return backfill if backfill["status"] != "REQUESTED" else None

        backfill = wait_for("the end of the backfill", ended, seconds=400, every=1.0)
        tags = [{tag["key"]: tag["value"] for tag in one["tags"]} for one in all_runs(ui).values()]
        typed = sync(tmp_path, env, "--from", days[0], "--to", days[-1], "--json")
        by_hand = [run for run in all_runs(ui).values() if run["status"] == "SUCCESS"][:2]
    assert typed.returncode == 0, typed
    said = json.loads(typed.stdout)
    assert said["problems"] == []
    assert [(run["status"], run["parts"]) for run in said["runs"]] == [("succeeded", 2)]
    assert all({"key": QUEUE_TAG, "value": BULK} in run["tags"] for run in by_hand)
    assert backfill["status"] == "COMPLETED_SUCCESS"
    assert Counter(run["status"] for run in backfill["runs"]) == {"SUCCESS": 2}
    assert sorted(
        (
            one["dagster/asset_partition_range_start"],
            one["dagster/asset_partition_range_end"],
            one[QUEUE_TAG],
        )
        for one in tags
    ) == [(days[0], days[29], BULK), (days[30], days[59], BULK)]
    warehouse = shared_warehouse(env)
    stored = assert_nothing_is_missing_or_twice(warehouse, sandbox)
    assert rows(warehouse, "SELECT kind, status, events_new FROM runs ORDER BY kind") == [
        ("backfill", "succeeded", stored),
        ("manual", "succeeded", 0),
    ]
