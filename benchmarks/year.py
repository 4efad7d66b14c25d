"""A year as a first load by file downloads, killed in the middle and started again.

`python -m benchmarks.year FOLDER URL` loads the days and prints a line after every file. The sandbox answers,
a process of its own: what it takes to export is not ours, and is told apart.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
from pydantic import SecretStr

from leadpipe.events.connecting import sync_config
from leadpipe.events.ledger import Run
from leadpipe.events.loading import load_days
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.settings import EventsSettings
from leadpipe.posthog import PostHog
from leadpipe.progress import Progress
from leadpipe.warehouse import Warehouse
from posthog_sandbox.process import SandboxProcess

_DAYS = 365
_ALL_SHOWN = timedelta(days=4)  # the latest of the generated events comes three days late
_STARTUP_SECONDS = 7200.0
_KILLED_AT = 0.5


@dataclass(frozen=True)
class Attempt:
    """One process: how long it took, what it cost, and whether it was killed."""

    seconds: float
    cpu_seconds: float
    peak_megabytes: float
    is_killed: bool


def _days() -> list[date]:
    today = datetime.now(UTC).date()
    return [today - timedelta(days=back) for back in range(_DAYS + _ALL_SHOWN.days + 1, -1, -1)]


def load(folder: Path, url: str) -> None:
    """Load the year, as a first sync does."""
    settings = EventsSettings(_env_file=None, data_dir=folder)
    warehouse = Warehouse(folder / "leadpipe.duckdb", memory_limit=settings.memory_limit)

    def tell(progress: Progress) -> None:
        print(progress.rows, progress.expected, progress.steps, flush=True)

    with PostHog(host=url, project_id="1", api_key=SecretStr("phx_sandbox")) as posthog:
        report = load_days(
            posthog,
            warehouse,
            _days(),
            run=Run(f"benchmark {os.getpid()}", "manual"),
            config=replace(sync_config(settings), lane="download"),
            clock=lambda: datetime.now(UTC),
            progress=tell,
        )
    print(
        f"new {report.ingested.new}, brought again {report.ingested.duplicate}, days read again "
        f"{len(report.reread_days)}, windows by query {report.windows}, failed {report.brought.failed}",
        flush=True,
    )
    if report.incomplete_days:
        raise SystemExit(f"{len(report.incomplete_days)} days are not proved")


def run(*, is_full: bool) -> None:
    """A year of the budget's size, or a tenth of it."""
    run_year(5_000_000 if is_full else 500_000)


def run_year(events: int) -> None:
    """Load a year in two attempts, and look at what is there.

    Raises:
        SystemExit: it is not what PostHog has, event by event.
    """
    end = datetime.now(UTC) - _ALL_SHOWN
    with (
        SandboxProcess.start(
            events=events, days=_DAYS, end=end, startup_timeout=_STARTUP_SECONDS
        ) as sandbox,
        tempfile.TemporaryDirectory(prefix="leadpipe-benchmark-") as name,
    ):
        before = _cpu_seconds_of(sandbox.pid)
        attempts = [
            _attempt(Path(name), sandbox.url, kill=True),
            _attempt(Path(name), sandbox.url, kill=False),
        ]
        theirs = _cpu_seconds_of(sandbox.pid) - before
        exports = sandbox.control.export_runs()
        by_event = sandbox.control.truth()["by_event"]
        stored, distinct, proved, days = _stored(Path(name))
    seconds, cpu = (
        sum(each)
        for each in zip(*((one.seconds, one.cpu_seconds) for one in attempts), strict=True)
    )
    print(f"\nyear: {events:,} events of {_DAYS} days by downloads, killed when half were in")
    for one in attempts:
        print(
            f"  {'killed after' if one.is_killed else 'to the end':<14} {one.seconds:7.1f} s "
            f"{one.cpu_seconds:7.1f} s CPU {one.peak_megabytes:6.0f} MB"
        )
    print(f"  together       {seconds:7.1f} s {cpu:7.1f} s CPU; PostHog's side {theirs:.1f} s CPU")
    spans = Counter(
        (run["asked"]["data_interval_start"], run["asked"]["data_interval_end"]) for run in exports
    )
    twice = sum(count - 1 for count in spans.values())
    print(f"  {len(exports)} exports, {twice} of a span that had been asked for before")
    wanted = sum(count for name, count in by_event.items() if name in built_in().names)
    print(
        f"  {stored:,} events stored, {distinct:,} uuids, of {wanted:,} that there are; "
        f"{proved} of {days} days proved"
    )
    if (stored, distinct, proved) != (wanted, wanted, days):
        raise SystemExit("The warehouse is not what PostHog has.")


def _attempt(folder: Path, url: str, *, kill: bool) -> Attempt:
    """Run a process to its end, or until half of the rows are in and it is killed."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.year", str(folder), url],
        stdout=subprocess.PIPE,
        text=True,
    )
    is_killed = False
    for line in process.stdout or ():
        words = line.split()
        if words[0].isdigit():
            if kill and int(words[0]) >= _KILLED_AT * int(words[1]):
                process.kill()
                is_killed = True
                break
        else:
            print(f"  {line.strip()}")
    _, status, usage = os.wait4(process.pid, 0)
    if process.stdout:
        process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and not is_killed:
        raise RuntimeError(f"the load ended with {process.returncode}")
    return Attempt(
        time.perf_counter() - started,
        _cpu_of(usage),
        usage.ru_maxrss / 1024,
        is_killed,
    )


def _cpu_of(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def _cpu_seconds_of(pid: int) -> float:
    """Of a process that goes on."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _stored(folder: Path) -> tuple[int, int, int, int]:
    """Events, uuids, days that are proved, days that have events."""
    with closing(duckdb.connect(str(folder / "leadpipe.duckdb"), read_only=True)) as connection:
        events, uuids = connection.execute(
            "SELECT count(*), count(DISTINCT uuid) FROM raw_events"
        ).fetchall()[0]
        proved, days = connection.execute(
            "SELECT count(*) FILTER (WHERE posthog_events = warehouse_events "
            "AND posthog_checksum = warehouse_checksum), count(*) FROM event_days WHERE posthog_events > 0"
        ).fetchall()[0]
    return events, uuids, proved, days


if __name__ == "__main__":
    load(Path(sys.argv[1]), sys.argv[2])
