"""A run's record while it works: entered in the ledger, alive in a folder of its own, closed however it ends.

What the run does is its own business; what the ledger keeps is `ledger.py`'s.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from leadpipe.errors import LeadpipeError
from leadpipe.events import ledger
from leadpipe.events.ledger import Run
from leadpipe.events.mapping import versions
from leadpipe.events.source import SyncConfig, claim_source
from leadpipe.living import own_folder
from leadpipe.posthog import CallCounts, PostHog
from leadpipe.warehouse import Warehouse, between_databases

_NO_CALLS = CallCounts(0, 0, 0)


@dataclass
class Record:
    """A run under way.

    Args:
        landing: a folder of its own, removed when it is over; not made yet.
        started_at: when it began (UTC).
        error: set it where the run has failed without an exception.
        calls: what it asked of PostHog, once it is over.
    """

    landing: Path
    started_at: datetime
    error: str | None = None
    calls: CallCounts = _NO_CALLS


@contextmanager
def on_record(
    posthog: PostHog | None,
    warehouse: Warehouse,
    run: Run,
    *,
    config: SyncConfig,
    days: Sequence[date] = (),
    clock: Callable[[], datetime],
) -> Iterator[Record]:
    """Enter a run in the ledger, and close it on leaving: as failed if an exception leaves it.

    From here on events are typed by the configured mapping.

    Args:
        posthog: whose project fills the warehouse, and whose calls are counted; None for nobody's.
        warehouse: which has the ledger.
        run: the run, or another attempt at a part of it.
        config: where its folder is made, and what events mean.
        days: those it is to load.
        clock: gives UTC.

    Raises:
        ConfigurationError: the warehouse was filled from another project.
    """
    before = posthog.stats.snapshot() if posthog else _NO_CALLS
    with (
        warehouse.alive_as(config.landing, run.attempt),
        own_folder(config.landing, run.attempt) as landing,
    ):
        record = Record(landing, clock())
        with warehouse.writing("door") as connection:
            if posthog is not None:
                claim_source(connection, posthog)
                between_databases(connection)
            ledger.mark_interrupted(connection, landing=config.landing, now=record.started_at)
            ledger.begin_run(connection, run, days=days, now=record.started_at)
            versions.adopt(connection, config.mapping, now=record.started_at)
        try:
            yield record
        except LeadpipeError as failure:
            record.error = str(failure)
            raise
        except BaseException as failure:
            record.error = type(failure).__name__
            raise
        finally:
            record.calls = (posthog.stats.snapshot() if posthog else _NO_CALLS) - before
            with warehouse.writing("door") as connection:
                ledger.finish_run(
                    connection, run, calls=record.calls, now=clock(), error=record.error
                )
