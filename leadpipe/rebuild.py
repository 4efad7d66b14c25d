"""Drop every mart and build it again from `raw_events` and what people typed in.

The result is the same, row by row: marts are pure functions of those tables. How a domain builds its own
is in its `rebuilding.py`.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from leadpipe.connections import open_warehouse
from leadpipe.domains import Folds, HasRebuild, parts
from leadpipe.events import ledger
from leadpipe.events.ledger import Run
from leadpipe.posthog import CallCounts
from leadpipe.published.tables import publish_tables
from leadpipe.settings import Settings
from leadpipe.warehouse import ALL_LOCKS, between_databases, has_own_state, transaction


@dataclass(frozen=True)
class RebuildReport:
    """What was built: rows of each mart, by what they are (`lead records`)."""

    run_id: str
    rows: Mapping[str, int]


def rebuild(settings: Settings, *, now: datetime, is_rescored: bool = False) -> RebuildReport:
    """Build all marts again in one transaction, publish them, and enter it in the ledger.

    Args:
        settings: where everything is, and by which rules marts are built; all sections.
        now: when (UTC).
        is_rescored: score all lead records by the rules of today instead of by those they were scored by.
    """
    run = Run(str(uuid.uuid4()), "rebuild")
    warehouse = open_warehouse(settings)
    rows: dict[str, int] = {}
    with warehouse.writing(*ALL_LOCKS) as connection:
        _fold(connection, settings)
        between_databases(connection)
        ledger.begin_run(connection, run, days=(), now=now)
        for _, part in parts(HasRebuild):
            rows |= part.rebuild(connection, settings, is_rescored=is_rescored)
        ledger.finish_run(connection, run, calls=CallCounts(0, 0, 0), now=now)
    with warehouse.connect() as connection:
        if has_own_state(connection):  # the rebuild may have found what is to be erased there
            with transaction(connection, "leads"):
                _fold(connection, settings)
        publish_tables(connection, settings.published_dir, now=now, is_anew=True)
    return RebuildReport(run.run_id, rows)


def _fold(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    for _, part in parts(HasRebuild):
        if isinstance(part, Folds):
            part.fold(connection, settings)
