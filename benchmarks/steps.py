"""What each step of one sync costs on histories of other lengths: it should be the same.

`python -m benchmarks.steps build EVENTS FOLDER` makes a warehouse with its marts, `python -m benchmarks.steps
sync FOLDER` takes 2,000 new events into it and prints seconds and memory of each step. `python -m benchmarks
steps --sizes 2000000,20000000,60000000` compares histories of chosen lengths.
"""

import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.long_history import EVENTS_A_DAY, TODAY, events_sql, long_history
from benchmarks.measure import OUT, cpu_seconds, forget_peak, peak_megabytes
from leadpipe.events.ingest import ingest
from leadpipe.events.inspections import NO_EVENT_LOST, NO_UUID_REPEATED
from leadpipe.events.ledger import Run, begin_run
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.planning import STORED_SINCE
from leadpipe.events.proof import stored_of_days
from leadpipe.events.staging import Staged
from leadpipe.events.verdicts import facts_of_days
from leadpipe.inspecting import Inspection, inspect_changed
from leadpipe.leads.inspections import RECORDS
from leadpipe.leads.leads import build_leads, stale_runs
from leadpipe.leads.scores import BUILT_IN
from leadpipe.listings.inspections import POSSIBLE_HOURS, SUMS_OF_DAYS
from leadpipe.listings.listings import build_listing_analytics, build_listings, stale_days
from leadpipe.published.tables import publish_tables, tables_that_differ
from leadpipe.ranges import contiguous
from leadpipe.settings import Settings
from leadpipe.warehouse import Warehouse, memory, transaction

_COMMAND = (sys.executable, "-m", "benchmarks.steps")
_NEW_EVENTS = 2_000
_RUNS = 3
_RUNS_AT_ONCE = 1_000
_MEMORY = "8GB"
_NOW = datetime(TODAY.year, TODAY.month, TODAY.day, 23, 59, tzinfo=UTC)


def _built(events: int, folder: Path) -> None:
    """A copy of the history with its marts built and published, in a folder of its own."""
    folder.mkdir(parents=True)
    warehouse = Warehouse(folder / "leadpipe.duckdb", memory_limit=_MEMORY)
    shutil.copy(long_history(events), warehouse.path)
    with warehouse.connect() as connection:
        runs = stale_runs(connection)
        for first in range(0, len(runs), _RUNS_AT_ONCE):
            with transaction(connection):
                build_leads(connection, runs[first : first + _RUNS_AT_ONCE], rules=BUILT_IN)
        with transaction(connection):
            build_listing_analytics(connection, contiguous(stale_days(connection)))
        with transaction(connection):
            build_listings(connection)
        publish_tables(connection, folder / "published", now=_NOW)


def _new_events(warehouse: Warehouse, file: Path) -> Staged:
    """The next new events of today, typed, as a lane leaves them for the door."""
    with warehouse.connect() as connection:
        days, new = connection.execute(
            "SELECT count(*), (SELECT count(*) FROM raw_events WHERE event_date = $today) "
            "FROM event_days WHERE event_date < $today",
            {"today": TODAY},
        ).fetchone() or (0, 0)
    first = days * EVENTS_A_DAY + new
    lacking = ("lister_id", "lister_type", "save_action", "rejected_reason", "mapped_properties")
    empty = ", ".join(
        f"NULL::VARCHAR AS {name}" for name in (*lacking, "unreadable_reason", "content")
    )
    with memory() as connection:
        connection.execute(
            f"COPY (SELECT * EXCLUDE (person_rank), {empty} "
            f"FROM ({events_sql(first, first + _NEW_EVENTS, last_day=days)})) TO '{file}'"
        )
    return Staged(file, built_in(), built_in())


def _steps(  # noqa: C901 - a function a step
    warehouse: Warehouse, staged: Staged, published: Path
) -> dict[str, Callable[[], object]]:
    """What a sync does, by name; each step opens the warehouse as its asset does."""
    run = Run(str(uuid.uuid4()), "manual")

    def plan() -> None:
        with warehouse.connect() as connection:
            days = [TODAY - timedelta(days=n) for n in range(1, 36)]
            stored_of_days(connection, days, events=built_in().names, until=_NOW)
            connection.execute(STORED_SINCE, [_NOW - timedelta(hours=7), _NOW]).fetchall()

    def door() -> None:
        with warehouse.writing("door") as connection:
            begin_run(connection, run, days=[TODAY], now=_NOW)
            ingest(connection, staged, run_id=run.run_id, now=_NOW)

    def leads() -> None:
        with warehouse.writing("door") as connection:
            build_leads(connection, stale_runs(connection), rules=BUILT_IN)

    def hours() -> None:
        with warehouse.writing("door") as connection:
            build_listing_analytics(connection, contiguous(stale_days(connection)))

    def totals() -> None:
        with warehouse.writing("door") as connection:
            build_listings(connection)

    def publication() -> None:
        with warehouse.connect() as connection:
            publish_tables(connection, published, now=_NOW)

    def comparison() -> None:
        with warehouse.connect() as connection:
            assert not tables_that_differ(connection, published, now=_NOW, is_whole=False)

    def checked(inspection: Inspection) -> Callable[[], object]:
        def check() -> None:
            with warehouse.connect() as connection:
                settings = Settings(_env_file=None)
                assert not inspect_changed(connection, inspection, settings, now=_NOW).faults

        return check

    def verdicts() -> None:
        with warehouse.connect() as connection:
            facts_of_days(connection, now=_NOW)

    return {
        "planning: counts": plan,
        "door": door,
        "leads": leads,
        "listing_analytics": hours,
        "listings": totals,
        "publication": publication,
        "comparison of files": comparison,
        "check: days": verdicts,
        "check: uuids": checked(NO_UUID_REPEATED),
        "check: lost events": checked(NO_EVENT_LOST),
        "check: lead records": checked(RECORDS),
        "check: hours": checked(POSSIBLE_HOURS),
        "check: totals": checked(SUMS_OF_DAYS),
    }


def main() -> None:
    """Build a warehouse, or sync one step by step and print seconds and peak MB of each, as JSON."""
    if sys.argv[1] == "build":
        _built(int(sys.argv[2]), Path(sys.argv[3]))
        return
    folder = Path(sys.argv[2])
    warehouse = Warehouse(folder / "leadpipe.duckdb")  # with the memory that a sync has
    staged = _new_events(warehouse, folder / "new.parquet")
    took: dict[str, tuple[float, float, float]] = {}
    for name, step in _steps(warehouse, staged, folder / "published").items():
        forget_peak()
        cpu, wall = cpu_seconds(), time.perf_counter()
        step()
        took[name] = (cpu_seconds() - cpu, time.perf_counter() - wall, peak_megabytes())
    print(json.dumps(took))


def _sync(folder: Path) -> dict[str, tuple[float, float]]:
    """CPU seconds and peak memory in MB of each step of one sync."""
    done = subprocess.run(
        [*_COMMAND, "sync", str(folder)], check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, tuple[float, float, float]] = json.loads(done.stdout.splitlines()[-1])
    return {name: (cpu, peak) for name, (cpu, _, peak) in found.items()}


def _measured(events: int, parent: Path) -> dict[str, tuple[float, float]]:
    """Of each step the CPU seconds, the least of some syncs after another, and the highest peak in MB.

    The last is the whole sync: the sum of the seconds, and the highest peak.
    """
    folder = parent / str(events)
    # A process of its own: its memory would count as that of every process started later.
    subprocess.run([*_COMMAND, "build", str(events), str(folder)], check=True)
    syncs = []
    for _ in range(_RUNS):
        syncs.append(_sync(folder))
        sys.stderr.write(f"{events:,}: {syncs[-1]}\n")
    shutil.rmtree(folder)
    steps = {
        name: (min(sync[name][0] for sync in syncs), max(sync[name][1] for sync in syncs))
        for name in syncs[0]
    }
    whole = (sum(cpu for cpu, _ in steps.values()), max(peak for _, peak in steps.values()))
    return steps | {"whole sync": whole}


def run(*, is_full: bool, sizes: Sequence[int] = ()) -> None:
    """Measure histories of 200,000 and 2,000,000 events, of 2 and 20 million, or of given sizes."""
    sizes = sizes or ((2_000_000, 20_000_000) if is_full else (200_000, 2_000_000))
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="steps-", dir=OUT) as parent:
        figures = {size: _measured(size, Path(parent)) for size in sizes}
    for number, what in enumerate(("CPU seconds", "peak memory in MB")):
        print(f"\nsteps: a sync of {_NEW_EVENTS:,} new events, {what}")
        print(f"  {'':<22}" + "".join(f"{size:>13,}" for size in sizes) + "   ratio")
        for name in figures[sizes[0]]:
            found = [figures[size][name][number] for size in sizes]
            ratios = ", ".join(f"{b / a:.2f}" for a, b in itertools.pairwise(found))
            print(f"  {name:<22}" + "".join(f"{one:>13,.3f}" for one in found) + f"   {ratios}")


if __name__ == "__main__":
    main()
