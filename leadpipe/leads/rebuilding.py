"""Lead records again, from the events that each run brought."""

from collections.abc import Mapping
from datetime import UTC, datetime

import duckdb

from leadpipe.leads.edits import LeadEdits
from leadpipe.leads.folding import erase_notes, fold_edits, note_events
from leadpipe.leads.leads import build_leads
from leadpipe.leads.months import forget_records
from leadpipe.leads.scores import load_rules
from leadpipe.leads.settings import LeadsSettings
from leadpipe.settings import Settings


def rebuild(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, is_rescored: bool
) -> Mapping[str, int]:
    """Build all records again; runs that were built before keep their rules unless all are rescored.

    What people said is kept, and what is not in the warehouse yet comes in.
    """
    own = settings.of(LeadsSettings)
    rules = load_rules(own.scores_path)
    fold_edits(connection, LeadEdits(own.edits_path))
    note_events(connection)
    if is_rescored:
        connection.execute("DELETE FROM lead_builds")
    forget_records(connection)
    runs = connection.execute("SELECT run_id FROM runs WHERE version > 0").fetchall()
    report = build_leads(connection, sorted(run_id for (run_id,) in runs), rules=rules)
    erase_notes(connection, now=datetime.now(UTC))
    return {"lead records": report.records}
