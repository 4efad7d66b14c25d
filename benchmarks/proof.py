"""What the proof costs when there is nothing to do: a sync of 400 loaded days that brings no event.

`python -m benchmarks.proof load|core|dagster FOLDER URL` loads the days once, or runs one sync and prints its
seconds: what leadpipe does itself, or the same as `leadpipe sync` does it.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.measure import Figures, Stopwatch, print_figures, run_in_turn
from benchmarks.syncing import settings_of, sync
from leadpipe.events.settings import EventsSettings
from leadpipe.ranges import contiguous
from leadpipe.settings import Settings
from posthog_sandbox.process import SandboxProcess

_DAYS = 400
_RUNS = 3
_ALL_SHOWN = timedelta(days=4)  # the latest of the generated events comes three days late


def _sync_in_dagster(settings: Settings) -> None:
    """The same as `leadpipe sync` does it."""
    from leadpipe.events.syncing import plan_now  # noqa: PLC0415 - after the environment is set
    from leadpipe.execution import run_job  # noqa: PLC0415

    for first, last in contiguous(plan_now(settings.of(EventsSettings), datetime.now(UTC)).days):
        outcome = run_job(settings, "sync", first, last)
        if outcome.error:
            raise SystemExit(outcome.error)


def run(*, is_full: bool) -> None:
    """Load 400 days, and measure syncs that bring nothing."""
    events = 1_000_000 if is_full else 50_000
    end = datetime.now(UTC) - _ALL_SHOWN
    figures: dict[str, Figures] = {}
    queries: dict[str, float] = {}
    with (
        SandboxProcess.start(events=events, days=_DAYS, end=end, startup_timeout=600) as sandbox,
        tempfile.TemporaryDirectory(prefix="leadpipe-benchmark-") as folder,
    ):
        sandbox.control.limits(enforce=False)
        for kind, runs in (("load", 1), ("core", _RUNS), ("dagster", _RUNS)):
            sandbox.control.clear_requests()
            command = ["benchmarks.proof", kind, folder, sandbox.url]
            figures |= run_in_turn({kind: command}, runs=runs)
            queries[kind] = len(sandbox.control.requests()) / runs
    print_figures(
        f"proof: a sync with nothing new, {_DAYS} days of {events:,} events loaded",
        {kind: figures[kind] for kind in ("core", "dagster")},
        against="core",
    )
    print(f"  queries a sync: {queries['core']:g}, in Dagster {queries['dagster']:g}")


def main() -> None:
    """Load, or run one sync."""
    kind, folder, url = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    settings = settings_of(folder, url, days=_DAYS)
    if kind == "dagster":
        from leadpipe.execution import dagster_instance  # noqa: PLC0415 - as above

        dagster_instance(settings).dispose()  # its tables are made once, by the first sync
        with Stopwatch(), _processor():
            _sync_in_dagster(settings)
        return
    with Stopwatch(), _processor():
        sync(settings)


@contextmanager
def _processor() -> Iterator[None]:
    """Tell the seconds of processor that a block took, which a busy machine stretches least."""
    started = time.process_time()
    yield
    sys.stderr.write(f"  {time.process_time() - started:.2f} s of processor\n")


if __name__ == "__main__":
    main()
