"""A sync that is killed at any moment, again and again, ends like one that never was."""

import random
import shutil
import signal
import subprocess
import time
from datetime import timedelta
from pathlib import Path

from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.dagster_ui.processes import REPOSITORY, environment, program, wait_for
from leadpipe_tests.events.builders import rows
from posthog_sandbox.process import SandboxProcess

EVENTS, DAYS, KILLS = 3_000, 12, 6
# Commits every 200 rows instead of every 100,000, so that kills meet half-loaded warehouses.
SYNC = [
    "-c",
    """
import leadpipe.events.loading as loading
from leadpipe.cli import main
loading._FOLD_ROWS = 200
main(["sync"])
""",
]
# What must not depend on how often a sync was interrupted.
TABLES = {
    "raw_events": "SELECT * EXCLUDE (run_id) FROM raw_events ORDER BY uuid",
    "listing_analytics": "SELECT * FROM listing_analytics ORDER BY ALL",
    "listings": "SELECT * FROM listings ORDER BY ALL",
    "grouped leads": (
        "SELECT * EXCLUDE (records) FROM read_parquet('{published}/grouped_leads.parquet') ORDER BY ALL"
    ),
    "copies": "SELECT * FROM event_copies ORDER BY ALL",
    "days": "SELECT event_date, posthog_events, warehouse_events FROM event_days ORDER BY ALL",
}
LEAD_EVENTS = """
    SELECT uuid::VARCHAR FROM raw_events
    WHERE lead_type IS NOT NULL AND rejected_reason IS NULL ORDER BY ALL
"""
ACTIONS = """
    SELECT action ->> 'action_id' FROM (
        SELECT unnest(CAST(lead_actions AS JSON[])) AS action FROM leads
    ) ORDER BY ALL
"""


def test_killed_syncs_end_like_one_that_was_not(sandbox, tmp_path):
    """Killed at random moments and started again, a sync gives the same tables, each event once."""
    sandbox.control.generate(EVENTS, days=DAYS, end=NOW - timedelta(hours=3), seed=7)
    first_day = TODAY - timedelta(days=DAYS + 1)

    def home(name: str) -> tuple[Path, dict[str, str]]:
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(REPOSITORY / "dagster.yaml", folder / "dagster.yaml")
        return folder, environment(
            sandbox,
            DAGSTER_HOME=str(folder),
            LEADPIPE_DATA_DIR=str(folder / "data"),
            LEADPIPE_START_DATE=first_day.isoformat(),
            LEADPIPE_PAGE_ROWS="100",
        )

    sandbox.control.fault("stall", match="leadpipe: events from", seconds=0.3, times=-1)
    calm, calm_env = home("calm")
    with program(SYNC, log=calm / "log", cwd=calm, env=calm_env) as process:
        _wait_until_it_loads(sandbox)
        begun = time.monotonic()
        assert process.wait(60) == 0, (calm / "log").read_text()
        whole = time.monotonic() - begun

    wild, wild_env = home("wild")
    moments = random.Random(2026)
    killed = 0
    for attempt in range(KILLS):
        sandbox.control.clear_requests()
        with program(SYNC, log=wild / f"log-{attempt}", cwd=wild, env=wild_env) as process:
            _wait_until_it_loads(sandbox)
            try:
                process.wait(moments.uniform(0, whole))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait(10)
                killed += 1
    sandbox.control.clear_faults()
    with program(SYNC, log=wild / "log", cwd=wild, env=wild_env) as process:
        assert process.wait(60) == 0, (wild / "log").read_text()

    assert killed >= KILLS // 2
    expected, found = (
        Warehouse(folder / "data" / "leadpipe.duckdb", lock_timeout_seconds=5.0)
        for folder in (calm, wild)
    )
    for name, query in TABLES.items():
        assert _table(found, query, wild) == _table(expected, query, calm), name
    assert rows(found, ACTIONS) == rows(found, LEAD_EVENTS) != []
    assert rows(found, "SELECT count(*) - count(DISTINCT uuid) FROM raw_events") == [(0,)]
    statuses = dict(rows(found, "SELECT status, count(*) FROM runs GROUP BY ALL"))
    assert set(statuses) == {"interrupted", "succeeded"}, statuses
    assert rows(found, "SELECT DISTINCT error FROM runs WHERE status = 'interrupted'") == [
        ("the process ended before the run did",)
    ]
    assert list((wild / "data" / "landing").rglob("*")) == []


def _wait_until_it_loads(sandbox: SandboxProcess) -> None:
    """Python and Dagster take seconds to start; kills there would prove nothing."""
    wait_for("the first query of the load", lambda: _has_begun(sandbox) or None, seconds=60)


def _has_begun(sandbox: SandboxProcess) -> bool:
    names = [request["name"] or "" for request in sandbox.control.requests()]
    return any(name.startswith("leadpipe: fingerprints") for name in names)


def _table(warehouse: Warehouse, query: str, home: Path) -> list[tuple[object, ...]]:
    return rows(warehouse, query.format(published=home / "data" / "published" / "current"))
