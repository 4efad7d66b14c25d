"""What a changed mapping costs after a year was loaded: what is typed again, and what is read again.

`python -m benchmarks.mapping load|nothing|stored|lacking FOLDER URL` loads the year, or syncs: with nothing
new, after a change that needs stored properties only, after one that needs properties that were not stored.
"""

import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.measure import Figures, Stopwatch, print_figures, run_in_turn
from benchmarks.syncing import settings_of, sync
from leadpipe.connections import open_warehouse
from leadpipe.events.connecting import event_mapping
from leadpipe.events.mapping.retyping import cost_of, retype_stale
from leadpipe.events.mapping.versions import adopt
from leadpipe.events.retention import Floor
from leadpipe.events.settings import EventsSettings
from leadpipe.settings import Settings
from posthog_sandbox.process import SandboxProcess

_DAYS = 365
_RUNS = 3
_ALL_SHOWN = timedelta(days=4)  # the latest of the generated events comes three days late
_VIEW = '[events.property_view]\nmeaning = "view"\n'
# Each run is a change: other values for all views, and properties that no run before asked for.
_STORED = [
    f'viewed_from = {{from = ["viewed_from"], otherwise = "{to}"}}\n' for to in ("home", "search")
]
_LACKING = [f'platform = ["{name}"]\n' for name in ("$os", "$browser", "$device_type")]


def change(settings: Settings, side: str) -> None:
    """Write the next mapping of a side, and tell what it costs."""
    path = settings.of(EventsSettings).events_path
    before = path.read_text() if path.exists() else ""
    said = _STORED if side == "stored" else _LACKING
    number = next((n for n, one in enumerate(said) if one in before), -1)
    path.write_text(_VIEW + said[(number + 1) % len(said)])
    mapping = event_mapping(settings.of(EventsSettings))
    first_day = settings.first_day(datetime.now(UTC))
    with open_warehouse(settings).connect() as connection:
        cost = cost_of(connection, mapping, floor=Floor(), first_day=first_day)
    sys.stderr.write(
        f"  {cost.events_to_type:,} events on {len(cost.days_to_type)} days to type, "
        f"{len(cost.days_to_read)} days to read\n"
    )


def type_again(settings: Settings) -> None:
    """The first part of the sync: type stored days by the mapping; tell the seconds."""
    mapping = event_mapping(settings.of(EventsSettings))
    warehouse = open_warehouse(settings)
    with warehouse.writing("door") as connection:
        adopt(connection, mapping, now=datetime.now(UTC))
    started = time.perf_counter()
    report = retype_stale(warehouse, mapping)
    took = time.perf_counter() - started
    sys.stderr.write(
        f"  {report.events:,} events looked at, {report.changed:,} came out otherwise: {took:.2f} s\n"
    )


def run(*, is_full: bool) -> None:
    """Load a year, and measure a sync with nothing new and after each kind of change."""
    events = 500_000 if is_full else 200_000
    end = datetime.now(UTC) - _ALL_SHOWN
    figures: dict[str, Figures] = {}
    queries: dict[str, float] = {}
    with (
        SandboxProcess.start(events=events, days=_DAYS, end=end, startup_timeout=600) as sandbox,
        tempfile.TemporaryDirectory(prefix="leadpipe-benchmark-") as folder,
    ):
        sandbox.control.limits(enforce=False)
        for side in ("load", "nothing", "stored", "lacking"):
            sandbox.control.clear_requests()
            runs = 1 if side == "load" else _RUNS
            figures |= run_in_turn(
                {side: ["benchmarks.mapping", side, folder, sandbox.url]}, runs=runs
            )
            queries[side] = len(sandbox.control.requests()) / runs
    print_figures(
        f"mapping: a sync after it changed, {_DAYS} days of {events:,} events loaded",
        figures,
        against="load",
    )
    for side, asked in queries.items():
        print(f"  {side}: {asked:g} queries")


def main() -> None:
    """Load the year, or run one sync."""
    side, folder, url = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    settings = settings_of(folder, url, days=_DAYS + _ALL_SHOWN.days)
    if side in ("stored", "lacking"):
        change(settings, side)
    with Stopwatch():
        if side in ("stored", "lacking"):
            type_again(settings)
        report = sync(settings)
    sys.stderr.write(f"  {report.ingested.fetched:,} events read\n")
    if report.incomplete_days:
        raise SystemExit(f"{len(report.incomplete_days)} days differ from PostHog")


if __name__ == "__main__":
    main()
