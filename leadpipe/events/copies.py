"""The copies of events that an export left out: of several it writes one, and nothing says which.

Queries of the days' events would read them all again for that; here only events come of which PostHog holds
several copies. That a day has other copies is seen by the proof of the days (`proof.py`).
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

from leadpipe.events.extraction import read_windows
from leadpipe.events.ingest import IngestResult, ingest
from leadpipe.events.source import SyncConfig
from leadpipe.events.staging import stage
from leadpipe.events.windows import Window, start_of
from leadpipe.posthog import PostHog
from leadpipe.ranges import contiguous
from leadpipe.warehouse import Warehouse

_DAY = timedelta(days=1)
_AT_ONCE = timedelta(days=14)  # the door reads the stored events of all days that a batch is of


def take_copies(
    posthog: PostHog,
    warehouse: Warehouse,
    days: Collection[date],
    *,
    run_id: str,
    config: SyncConfig,
    landing: Path,
    clock: Callable[[], datetime],
) -> IngestResult:
    """Read the events of which PostHog holds several copies, and take them in.

    Args:
        posthog: asked, a page or more for each unbroken range of days, of two weeks at most.
        warehouse: filled.
        days: on which the events are.
        run_id: stamped on rows that are new; the run must be in the ledger.
        config: which events, and what they mean.
        landing: a folder of the caller's own.
        clock: the time (UTC).

    Raises:
        PostHogError, WarehouseLocked.
    """
    windows = [
        Window(start_of(day), start_of(min(day + _AT_ONCE, last + _DAY)))
        for first, last in contiguous(sorted(days))
        for day in _every(_AT_ONCE, first, last)
    ]
    total = IngestResult()
    selection = replace(config.selection, has_copies_only=True)
    for part in read_windows(
        posthog, windows, selection=selection, landing=landing, workers=config.workers
    ):
        staged = stage(part.pages, config.mapping, landing)
        total += warehouse.write("door", partial(ingest, staged=staged, run_id=run_id, now=clock()))
        for page in part.pages:
            page.unlink()
        if staged:
            staged.file.unlink()
    return total


def _every(step: timedelta, first: date, last: date) -> Iterator[date]:
    day = first
    while day <= last:
        yield day
        day += step
