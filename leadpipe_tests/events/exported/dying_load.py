"""A load by file downloads that dies: `python -m leadpipe_tests.events.exported.dying_load PHASE`.

It ends itself by SIGKILL at a place in the code, so that a kill falls where it is to fall: nothing is cleaned
up, no lock is given back. What comes of it is `kills.py`'s business.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from leadpipe.connections import connect_posthog
from leadpipe.events import loading
from leadpipe.events.connecting import sync_config
from leadpipe.events.exported import asked, downloading
from leadpipe.events.lanes import Lane
from leadpipe.events.ledger import Run
from leadpipe.events.loading import LoadReport, load_days
from leadpipe.events.settings import EventsSettings
from leadpipe.posthog import transfers
from leadpipe.settings import load_settings
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW

PHASES = (
    "unanswered",  # an export was asked for, and PostHog made it; nobody here knows
    "asked",  # an export was asked for, and that is remembered
    "polling",  # PostHog was looked at twice, and is not ready
    "in a file",  # some bytes of a file are on the disk
    "unremembered",  # a file's rows are merged, neither they nor that are committed
    "remembered",  # both are
    "brought",  # everything is there, no day is compared
)
FIRST = NOW.date() - timedelta(days=28)
DAYS = [FIRST + timedelta(days=n) for n in range(29)]


def load_again(
    settings: EventsSettings, warehouse: Warehouse, *, run_id: str, lane: Lane = "download"
) -> LoadReport:
    """The load after a kill, in this process."""
    config = replace(sync_config(settings), lane=lane, first_day=FIRST)
    with connect_posthog(settings) as posthog:
        return load_days(
            posthog,
            warehouse,
            DAYS,
            run=Run(run_id, "manual"),
            config=config,
            clock=lambda: datetime.now(UTC),
        )


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _set_to_die(phase: str) -> None:
    """Let this process die when it comes to a phase."""
    if phase == "unanswered":
        _after(downloading, "create")
    elif phase == "asked":
        _before(downloading, "watch")
    elif phase == "polling":
        _before(downloading._Bringing, "_pause", times=2)
    elif phase == "in a file":
        _after(transfers.Transfer, "_receive")
    elif phase == "unremembered":
        _before(asked, "note_ended")
    elif phase == "remembered":
        _after(downloading, "merge_files")
    elif phase == "brought":
        _after(loading, "bring")
    else:
        raise ValueError(f"There is no phase {phase!r}")


def _before(owner: Any, name: str, *, times: int = 1) -> None:
    called = 0
    original: Callable[..., Any] = getattr(owner, name)

    def dying(*args: Any, **given: Any) -> Any:
        nonlocal called
        called += 1
        if called >= times:
            _die()
        return original(*args, **given)

    setattr(owner, name, dying)


def _after(owner: Any, name: str) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    def dying(*args: Any, **given: Any) -> Any:
        found = original(*args, **given)
        _die()
        return found

    setattr(owner, name, dying)


if __name__ == "__main__":
    _set_to_die(sys.argv[1])
    own = load_settings(EventsSettings)
    load_again(
        own,
        Warehouse(own.warehouse_path, lock_timeout_seconds=5.0),
        run_id=f"dies {sys.argv[1]} {os.getpid()}",
    )
