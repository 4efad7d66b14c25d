"""Kill loads by file downloads in their phases, go on after each, and compare with what nobody disturbed.

`python -m leadpipe_tests.events.exported.kills [--rounds N]` goes through all phases in rounds and prints
each round; `test_killed_downloads.py` is the short form. What is killed is `dying_load.py`.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import leadpipe_tests.conftest  # noqa: F401 - the tests' environment, before anything of leadpipe
from leadpipe.events.loading import LoadReport
from leadpipe.events.settings import EventsSettings
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW, OneClock
from leadpipe_tests.dagster_ui.processes import environment
from leadpipe_tests.events.builders import event, rows
from leadpipe_tests.events.exported import dying_load
from leadpipe_tests.events.exported.dying_load import DAYS, FIRST, PHASES, load_again
from posthog_sandbox.process import SandboxProcess

_MOST_SECONDS = 120.0
_STORED = (
    "SELECT uuid, event, timestamp, created_at, distinct_id, person_id, listing_id, "
    "json(properties)::VARCHAR FROM raw_events ORDER BY ALL"
)


def insert_traffic(sandbox: SandboxProcess, *, a_day: int = 8) -> int:
    """Events of four weeks, which are several exports; how many."""
    events = [
        event(
            ("property_view", "lead_phone", "$pageview")[n % 3],
            datetime(day.year, day.month, day.day, 1 + n % 20, n % 60, tzinfo=UTC),
            distinct_id=f"person-{n % 5}",
            listing_id=f"L{n}",
        )
        for day in DAYS[:-1]
        for n in range(a_day)
    ]
    sandbox.control.insert(events)
    return len(events)


def kill(phase: str, sandbox: SandboxProcess, data: Path) -> None:
    """Start a load in a process of its own, which dies in a phase.

    Raises:
        AssertionError: it ended in another way.
    """
    child = subprocess.run(
        [
            sys.executable,
            "-m",
            dying_load.__name__,
            phase,
        ],
        env=environment(
            sandbox,
            LEADPIPE_DATA_DIR=str(data),
            LEADPIPE_START_DATE=FIRST.isoformat(),
            LEADPIPE_LANE="download",
        ),
        cwd=data.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_MOST_SECONDS,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, f"{phase}: {child.returncode}\n{child.stderr}"


def compare(
    sandbox: SandboxProcess, settings: EventsSettings, report: LoadReport, *, events: int
) -> None:
    """What a load is like after kills: every day proved, each event once, no export asked for twice.

    Raises:
        AssertionError: it is not.
    """
    assert report.incomplete_days == ()
    warehouse = Warehouse(settings.warehouse_path, lock_timeout_seconds=5.0)
    assert rows(warehouse, "SELECT count(*), count(DISTINCT uuid) FROM raw_events") == [
        (events, events)
    ]
    proved = "SELECT count(*) FROM event_days WHERE posthog_checksum = warehouse_checksum AND event_date < ?"
    assert rows(warehouse, proved, NOW.date()) == [(len(DAYS) - 1,)]
    spans = [
        (run["asked"]["data_interval_start"], run["asked"]["data_interval_end"])
        for run in sandbox.control.export_runs()
    ]
    assert len(spans) == len(set(spans)) > 2, spans
    states = rows(warehouse, "SELECT state, count(*) FROM file_downloads GROUP BY ALL")
    assert states == [("taken in", len(spans))]
    assert list(settings.landing_dir.rglob("*")) == []
    calm = replace(warehouse, path=settings.data_dir / "calm.duckdb")
    load_again(settings, calm, run_id="calm", lane="query")
    assert rows(warehouse, _STORED) == rows(calm, _STORED)
    calm.path.unlink()


def kill_in(
    phases: Sequence[str], sandbox: SandboxProcess, settings: EventsSettings, *, events: int
) -> None:
    """Kill one load in each phase, each going on with the one before; then go on, and compare."""
    settings.data_dir.mkdir(exist_ok=True)
    for phase in phases:
        sandbox.control.clear_store_faults()
        sandbox.control.downloads(looks=3 if phase == "polling" else 0)
        kill(phase, sandbox, settings.data_dir)
    sandbox.control.downloads()
    warehouse = Warehouse(settings.warehouse_path, lock_timeout_seconds=5.0)
    compare(sandbox, settings, load_again(settings, warehouse, run_id="last"), events=events)


def main(words: Sequence[str]) -> int:
    """Kill in rounds, and print each."""
    parser = argparse.ArgumentParser(prog="python -m leadpipe_tests.events.exported.kills")
    parser.add_argument("--rounds", type=int, default=5, help="by default 5, a kill for each phase")
    parser.add_argument("--seed", type=int, default=2026, help="by default 2026")
    options = parser.parse_args(list(words))
    rng = random.Random(options.seed)
    clock = OneClock(NOW, is_dated=True)
    try:
        with SandboxProcess.start() as sandbox, tempfile.TemporaryDirectory() as folder:
            for number in range(options.rounds):
                sandbox.control.reset()
                sandbox.control.limits(enforce=False)
                clock.take_along(sandbox.control.set_clock)
                events = insert_traffic(sandbox, a_day=rng.randrange(5, 40))
                unanswered, asked, polling, *others, last = PHASES
                # While there are exports to be made; and last what leaves nothing to be killed in.
                phases = [unanswered, polling, *rng.sample([asked, *others], len(others) + 1), last]
                kill_in(
                    phases, sandbox, _settings(sandbox, Path(folder) / str(number)), events=events
                )
                sys.stdout.write(f"killed {', '.join(phases)}: as if nobody had\n")
    finally:
        clock.release()
    return 0


def _settings(sandbox: SandboxProcess, folder: Path) -> EventsSettings:
    folder.mkdir()
    given: dict[str, Any] = {
        "posthog_api_key": sandbox.api_key,
        "posthog_project_id": sandbox.project_id,
        "posthog_base_url": sandbox.url,
        "data_dir": folder / "data",
    }
    return EventsSettings(_env_file=None, **given)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
