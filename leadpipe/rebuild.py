"""Drop every mart and build it again from `raw_events` and what people typed in.

The result is the same, row by row: marts are pure functions of those tables.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from leadpipe.events import ledger
from leadpipe.events.ledger import Run
from leadpipe.leads.leads import build_leads
from leadpipe.leads.scores import ScoreRules
from leadpipe.listings.listings import build_listing_analytics, build_listings
from leadpipe.posthog import CallCounts
from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse, transaction


@dataclass(frozen=True)
class RebuildReport:
    """What was built: rows of each mart."""

    run_id: str
    lead_records: int
    listing_hours: int
    listings: int


def rebuild(
    warehouse: Warehouse,
    *,
    rules: ScoreRules,
    published: Path,
    now: datetime,
    is_rescored: bool = False,
) -> RebuildReport:
    """Build all marts again in one transaction, publish them, and enter it in the ledger.

    Args:
        warehouse: where everything lies.
        rules: score rules for runs that were never built, or for all with `is_rescored`.
        published: the folder of the published tables.
        now: when (UTC).
        is_rescored: score all records by `rules` instead of by those they were scored by.
    """
    run = Run(str(uuid.uuid4()), "rebuild")
    with warehouse.connect() as connection, transaction(connection):
        ledger.begin_run(connection, run, days=(), now=now)
        if is_rescored:
            connection.execute("DELETE FROM lead_builds")
        connection.execute("DELETE FROM leads")
        runs = connection.execute("SELECT run_id FROM runs WHERE version > 0").fetchall()
        leads = build_leads(connection, sorted(run_id for (run_id,) in runs), rules=rules)
        connection.execute("DELETE FROM listing_analytics; DELETE FROM listing_analytics_builds")
        span = connection.execute(
            "SELECT min(event_date), max(event_date) FROM event_days"
        ).fetchone()
        ranges = [span] if span and span[0] else []
        hours = build_listing_analytics(connection, ranges).rows
        listings = build_listings(connection)
        ledger.finish_run(connection, run, calls=CallCounts(0, 0, 0), now=now)
    with warehouse.connect() as connection:
        publish_tables(connection, published, is_anew=True)
    return RebuildReport(run.run_id, leads.records, hours, listings)
