"""Bring what people said about leads into the warehouse, each edit once; and erase it with the person.

The file of edits (`edits.py`) stays as it is: an edit is in the warehouse or not, by its id, so a kill at any
point costs nothing. Notes about a person whose events PostHog has erased go with them, there and here.
Where edits are in another database than records, each step commits by itself: `built_edits` says which edits
the records show, `notes_to_erase` which notes are to go, so the next update goes on where one was killed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from leadpipe.events.wiping import note_deletion
from leadpipe.leads.edits import ERASED, LeadEdits
from leadpipe.leads.leads import LeadsReport, build_leads, register_rules, stale_runs
from leadpipe.leads.scores import ScoreRules
from leadpipe.warehouse import between_databases, read_sql, transaction


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
        connection: the warehouse; one transaction is made of it, or one a database after the other.
        edits: the file; emptied of erased notes once the warehouse has committed.
        rules: how new runs are scored.
        now: when (UTC).

    Raises:
        EditsUnavailable: the file cannot be read; nothing was done.
        ConfigurationError: the rules changed but their version did not.
    """
    with transaction(connection, "leads"):
        folded = fold_edits(connection, edits)
        register_rules(connection, rules)
        between_databases(connection)
        edited = edited_leads(connection)
        runs = sorted({*stale_runs(connection), *_runs_of(connection, edited)})
        note_events(connection)
        built = build_leads(connection, runs, rules=rules, edited=edited)
        note_built(connection)
        list_notes_to_erase(connection)
        between_databases(connection)
        erased = erase_listed_notes(connection, now=now)
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


def edited_leads(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Leads that people said something about which their records do not show yet."""
    rows = connection.execute("""
        SELECT DISTINCT lead_id FROM lead_edits
        WHERE edit_id NOT IN (SELECT edit_id FROM built_edits) ORDER BY lead_id
    """).fetchall()
    return [lead_id for (lead_id,) in rows]


def note_built(connection: duckdb.DuckDBPyConnection) -> None:
    """Remember, in the build's transaction, that the records show all edits."""
    if edited_leads(connection):
        connection.execute("""
            INSERT INTO built_edits SELECT edit_id FROM lead_edits
            WHERE edit_id NOT IN (SELECT edit_id FROM built_edits)
        """)


def note_events(connection: duckdb.DuckDBPyConnection) -> None:
    """Remember the events of leads that have notes, before their records are built again."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE events_of_noted AS {read_sql('leads', 'events_of_noted.sql')}"
    )


def list_notes_to_erase(connection: duckdb.DuckDBPyConnection) -> None:
    """List the notes of leads that are no more because PostHog has erased their events, with the build.

    A lead whose events were only set aside may come back, and keeps its notes.
    """
    found = connection.execute("""
        SELECT edit_id FROM lead_edits
        WHERE kind = 'note' AND lead_id NOT IN (SELECT lead_id FROM leads) AND lead_id IN (
            SELECT lead_id FROM events_of_noted
            JOIN gone_events ON CAST(gone_events.uuid AS VARCHAR) = events_of_noted.action_id
        )
    """).fetchall()
    connection.execute("DROP TABLE events_of_noted")
    if found:
        connection.execute(
            "INSERT INTO notes_to_erase SELECT unnest($ids::VARCHAR[])",
            {"ids": [edit_id for (edit_id,) in found]},
        )


def erase_listed_notes(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> int:
    """Empty the notes that are listed, those of a run that was killed, too; how many had a text."""
    listed = connection.execute("SELECT edit_id FROM notes_to_erase").fetchall()
    if not listed:
        return 0
    names = {"ids": [edit_id for (edit_id,) in listed]}
    found = connection.execute(
        "SELECT count(*) FROM lead_edits WHERE kind = 'note' AND list_contains($ids::VARCHAR[], edit_id)",
        names,
    ).fetchone()
    connection.execute(
        "UPDATE lead_edits SET kind = $erased, value = '' "
        "WHERE kind = 'note' AND list_contains($ids::VARCHAR[], edit_id)",
        {**names, "erased": ERASED},
    )
    between_databases(connection)
    connection.execute(
        "DELETE FROM notes_to_erase WHERE list_contains($ids::VARCHAR[], edit_id)", names
    )
    note_deletion(connection, now=now)
    return int(found[0]) if found else 0


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
