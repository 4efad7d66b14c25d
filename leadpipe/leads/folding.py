"""Bring what people said about leads into the warehouse, each edit once; and erase it with the person.

The file of edits (`edits.py`) stays as it is: an edit is in the warehouse or not, by its id, so a kill at any
point costs nothing. Notes about a person whose events PostHog has erased go with them, there and here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from leadpipe.events.wiping import note_deletion
from leadpipe.leads.edits import ERASED, LeadEdits
from leadpipe.leads.leads import LeadsReport, build_leads, stale_runs
from leadpipe.leads.scores import ScoreRules
from leadpipe.warehouse import read_sql, transaction


@dataclass(frozen=True)
class UpdateReport:
    """What an update did: the build, edits that were new to it, notes erased with their person."""

    built: LeadsReport
    folded: int
    erased: int


def update_leads(
    connection: duckdb.DuckDBPyConnection, edits: LeadEdits, *, rules: ScoreRules, now: datetime
) -> UpdateReport:
    """Fold the edits in, build the records of runs whose events or edits changed, and erase what is to go.

    Args:
        connection: the warehouse; one transaction is made of it.
        edits: the file; emptied of erased notes once the warehouse has committed.
        rules: how new runs are scored.
        now: when (UTC).

    Raises:
        EditsUnavailable: the file cannot be read; nothing was done.
        ConfigurationError: the rules changed but their version did not.
    """
    with transaction(connection, "leads"):
        folded = fold_edits(connection, edits)
        runs = sorted({*stale_runs(connection), *_runs_of(connection, folded)})
        note_events(connection)
        built = build_leads(connection, runs, rules=rules, edited=sorted(set(folded)))
        erased = erase_notes(connection, now=now)
    edits.erase(_erased(connection))
    return UpdateReport(built, len(folded), erased)


def fold_edits(connection: duckdb.DuckDBPyConnection, edits: LeadEdits) -> list[str]:
    """Copy edits that the warehouse does not have, in a transaction; the leads they are about."""
    known = {
        edit_id for (edit_id,) in connection.execute("SELECT edit_id FROM lead_edits").fetchall()
    }
    fresh = [edit for edit in edits.edits() if edit.edit_id not in known]
    if not fresh:
        return []
    connection.execute(
        """
        INSERT INTO lead_edits BY NAME
        SELECT unnest($leads::VARCHAR[]) AS lead_id, unnest($kinds::VARCHAR[]) AS kind,
               unnest($values::VARCHAR[]) AS value, unnest($authors::VARCHAR[]) AS author,
               unnest($moments::TIMESTAMPTZ[]) AS edited_at, unnest($ids::VARCHAR[]) AS edit_id,
               unnest($previous::VARCHAR[]) AS previous, unnest($undoes::VARCHAR[]) AS undoes
        """,
        {
            "leads": [edit.lead_id for edit in fresh],
            "kinds": [edit.kind for edit in fresh],
            "values": [edit.value for edit in fresh],
            "authors": [edit.author for edit in fresh],
            "moments": [edit.edited_at for edit in fresh],
            "ids": [edit.edit_id for edit in fresh],
            "previous": [edit.previous for edit in fresh],
            "undoes": [edit.undoes for edit in fresh],
        },
    )
    return [edit.lead_id for edit in fresh]


def note_events(connection: duckdb.DuckDBPyConnection) -> None:
    """Remember the events of leads that have notes, before their records are built again."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE events_of_noted AS {read_sql('leads', 'events_of_noted.sql')}"
    )


def erase_notes(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> int:
    """Empty the notes of leads that are no more because PostHog has erased their events; how many notes.

    A lead whose events were only set aside may come back, and keeps its notes.
    """
    erased = [
        edit_id
        for (edit_id,) in connection.execute("""
            SELECT edit_id FROM lead_edits
            WHERE kind = 'note' AND lead_id NOT IN (SELECT lead_id FROM leads) AND lead_id IN (
                SELECT lead_id FROM events_of_noted
                JOIN gone_events ON CAST(gone_events.uuid AS VARCHAR) = events_of_noted.action_id
            )
        """).fetchall()
    ]
    connection.execute("DROP TABLE events_of_noted")
    if erased:
        connection.execute(
            "UPDATE lead_edits SET kind = $erased, value = '' "
            "WHERE kind = 'note' AND edit_id IN (SELECT unnest($ids::VARCHAR[]))",
            {"erased": ERASED, "ids": erased},
        )
        note_deletion(connection, now=now)
    return len(erased)


def _runs_of(connection: duckdb.DuckDBPyConnection, leads: Sequence[str]) -> list[str]:
    return [
        run_id
        for (run_id,) in connection.execute(
            "SELECT DISTINCT run_id FROM leads WHERE lead_id IN (SELECT unnest($leads::VARCHAR[]))",
            {"leads": list(leads)},
        ).fetchall()
    ]


def _erased(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Notes that are erased here; what a killed run has left of them in the file goes now."""
    rows = connection.execute(
        "SELECT edit_id FROM lead_edits WHERE kind = $erased", {"erased": ERASED}
    ).fetchall()
    return [edit_id for (edit_id,) in rows]
