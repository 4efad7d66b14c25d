"""The same small sync on a history and on one ten times as long: it should cost about the same.

`python -m benchmarks.history steps|sync FILE URL` runs one sync of 2,000 new events and prints its seconds.
"""

import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.measure import Stopwatch, print_figures, run_in_turn
from benchmarks.traffic import filled_warehouse
from leadpipe.leads.leads import build_leads, stale_runs
from leadpipe.leads.scores import BUILT_IN
from leadpipe.listings.listings import build_listing_analytics, build_listings, stale_days
from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse, transaction
from posthog_sandbox.process import SandboxProcess

_NEW_EVENTS = 2_000


def _copy(history: Path, folder: Path, url: str) -> Warehouse:
    """A copy of the history with its marts built, claimed for the sandbox's project."""
    built = history.with_suffix(".built.duckdb")
    if not built.exists():
        part = built.with_suffix(".part")
        shutil.copy(history, part)
        with Warehouse(part, memory_limit="8GB").connect() as connection:
            with transaction(connection):
                build_leads(connection, stale_runs(connection), rules=BUILT_IN)
                days = stale_days(connection)
                build_listing_analytics(connection, [(min(days), max(days))])
                build_listings(connection)
            connection.execute(
                "UPDATE event_days SET read_until = TIMESTAMPTZ '2026-11-21 00:00:00+00'"
            )
        part.rename(built)
    warehouse = Warehouse(folder / "leadpipe.duckdb")
    shutil.copy(built, warehouse.path)
    with warehouse.connect() as connection:
        connection.execute("INSERT INTO sources VALUES (?, '1')", [url])
        publish_tables(connection, folder / "published")
    return warehouse


def _sync(folder: Path, url: str) -> None:
    """Load today through Dagster, as `leadpipe sync` does."""
    import os  # noqa: PLC0415 - the partitions begin where the environment says when they are imported

    os.environ |= {"LEADPIPE_START_DATE": "2025-11-21", "LEADPIPE_DATA_DIR": str(folder)}
    from leadpipe.execution import dagster_instance, run_job  # noqa: PLC0415
    from leadpipe.settings import load_settings  # noqa: PLC0415

    settings = load_settings(
        posthog_api_key="phx_sandbox",
        posthog_project_id="1",
        posthog_base_url=url,
        dagster_home=folder,
    )
    dagster_instance(settings).dispose()  # its tables are made once, by the first sync
    with Stopwatch():
        started = time.perf_counter()
        today = datetime.now(UTC).date()
        outcome = run_job(settings, "sync", today, today)
        if outcome.error:
            raise SystemExit(outcome.error)
        sys.stderr.write(f"  {time.perf_counter() - started:.2f} s in Dagster\n")


def run(*, is_full: bool) -> None:
    """Measure a history and one ten times as long."""
    small, large = (2_000_000, 20_000_000) if is_full else (200_000, 2_000_000)
    with SandboxProcess.start() as sandbox:
        now = datetime.now(UTC)
        sandbox.control.limits(enforce=False)
        sandbox.control.insert(
            [
                {
                    "event": "property_view" if n % 10 else "lead_phone",
                    "timestamp": now - timedelta(seconds=200 + n % 600),
                    "distinct_id": f"new-{n % 300}",
                    "properties": {"listing_id": f"listing-{100 + n % 50}"},
                }
                for n in range(_NEW_EVENTS)
            ]
        )
        names = {f"{events:,} before": filled_warehouse(events) for events in (small, large)}
        figures = run_in_turn(
            {name: ["benchmarks.history", str(path), sandbox.url] for name, path in names.items()}
        )
    print_figures(
        f"history: a sync of {_NEW_EVENTS:,} new events", figures, against=f"{small:,} before"
    )


def main() -> None:
    """Run one sync on a copy of the history."""
    folder = Path(tempfile.mkdtemp(prefix="leadpipe-benchmark-"))
    try:
        _copy(Path(sys.argv[1]), folder, sys.argv[2])
        _sync(folder, sys.argv[2])
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
