"""Lead records again, from the events that each run brought."""

from collections.abc import Mapping
from datetime import UTC, datetime

import duckdb

from leadpipe.leads.edits import kept_edits
from leadpipe.leads.folding import (
    erase_listed_notes,
    fold_edits,
    list_notes_to_erase,
    note_built,
    note_events,
)
from leadpipe.leads.leads import build_leads, register_rules
from leadpipe.leads.months import forget_records
from leadpipe.leads.scores import load_rules
from leadpipe.leads.settings import LeadsSettings
from leadpipe.settings import Settings
from leadpipe.warehouse import has_own_state


def fold(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Take in what people said that is not here yet, and the rules of today; erase what is to go."""
    own = settings.of(LeadsSettings)
    fold_edits(connection, kept_edits(own))
    register_rules(connection, load_rules(own.scores_path))
    erase_listed_notes(connection, now=datetime.now(UTC))


def rebuild(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, is_rescored: bool
) -> Mapping[str, int]:
    """Build all records again; runs that were built before keep their rules unless all are rescored.

    What people said is kept. Notes that are to go with their person go here; where they are in another
    database, after it.
    """
    own = settings.of(LeadsSettings)
    rules = load_rules(own.scores_path)
    note_events(connection)
    if is_rescored:
        connection.execute("DELETE FROM lead_builds")
    forget_records(connection)
    runs = connection.execute("SELECT run_id FROM runs WHERE version > 0").fetchall()
    report = build_leads(connection, sorted(run_id for (run_id,) in runs), rules=rules)
    note_built(connection)
    list_notes_to_erase(connection)
    if not has_own_state(connection):
        erase_listed_notes(connection, now=datetime.now(UTC))
    return {"lead records": report.records}
