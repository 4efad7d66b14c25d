"""Repair of what the door promises never to happen: an event that is stored twice.

On a lake two machines could store one event if the connection that held the lock dies within a commit, or if
a person's shell writes past the locks. Of several copies the one stays that the door would have kept; the run
of each that goes has it as a duplicate then. That there are any is seen by the check `uuid_is_unique`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb

from leadpipe.events.versions import mark_changed
from leadpipe.warehouse import read_sql


@dataclass(frozen=True)
class Duplicates:
    """Events that are stored more than once.

    Args:
        events: how many they are.
        rows: how many of their rows are too many.
        by_run: of these, how many each run brought.
        days: on which they are.
    """

    events: int = 0
    rows: int = 0
    by_run: Mapping[str, int] | None = None
    days: tuple[date, ...] = ()


def find_duplicates(connection: duckdb.DuckDBPyConnection) -> Duplicates:
    """What is stored more than once; changes nothing."""
    _choose(connection)
    found = _found(connection)
    _forget(connection)
    return found


def repair_duplicates(connection: duckdb.DuckDBPyConnection) -> Duplicates:
    """Leave one row of each event, and put the ledger right; run it inside a transaction.

    Days and runs that had one count as changed, so that marts are built again from them.
    """
    _choose(connection)
    found = _found(connection)
    if found.rows:
        connection.execute("""
            DELETE FROM raw_events WHERE uuid IN (SELECT uuid FROM repeated_rows);
            INSERT INTO raw_events BY NAME SELECT * EXCLUDE (place) FROM repeated_rows WHERE place = 1;
            UPDATE runs SET
                events_new = events_new - gone.rows, events_duplicate = events_duplicate + gone.rows
            FROM (
                SELECT run_id, count(*) AS rows FROM repeated_rows WHERE place > 1 GROUP BY run_id
            ) AS gone
            WHERE runs.run_id = gone.run_id
        """)
        changed = connection.execute("SELECT DISTINCT run_id FROM repeated_rows").fetchall()
        mark_changed(connection, found.days, sorted(run for (run,) in changed))
    _forget(connection)
    return found


def _choose(connection: duckdb.DuckDBPyConnection) -> None:
    """All rows of repeated events in `repeated_rows`, the one that stays at place 1.

    That is the copy received last, of those the one that says more (`contents.sql`), of equal ones that of
    the run that began first.
    """
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE repeated_rows AS
        SELECT *, row_number() OVER () AS copy FROM raw_events WHERE uuid IN (
            SELECT uuid FROM raw_events GROUP BY uuid HAVING count(*) > 1
        );
        CREATE OR REPLACE TEMP VIEW copies AS
        SELECT copy, properties, timestamp, event, distinct_id FROM repeated_rows;
        CREATE OR REPLACE TEMP TABLE repeated_rows AS
        SELECT repeated.* EXCLUDE (copy), row_number() OVER (
            PARTITION BY uuid
            ORDER BY repeated.created_at DESC NULLS LAST, said.content DESC NULLS LAST,
                runs.started_at NULLS LAST, repeated.run_id, repeated.person_rank DESC, copy
        ) AS place
        FROM repeated_rows AS repeated LEFT JOIN ({read_sql("events", "contents.sql")}) AS said USING (copy)
        LEFT JOIN runs ON runs.run_id = repeated.run_id;
        DROP VIEW copies
    """)


def _found(connection: duckdb.DuckDBPyConnection) -> Duplicates:
    by_run = dict(
        connection.execute(
            "SELECT run_id, count(*) FROM repeated_rows WHERE place > 1 GROUP BY run_id ORDER BY run_id"
        ).fetchall()
    )
    days = connection.execute(
        "SELECT DISTINCT event_date FROM repeated_rows ORDER BY event_date"
    ).fetchall()
    events = connection.execute("SELECT count(DISTINCT uuid) FROM repeated_rows").fetchone()
    return Duplicates(
        int(events[0]) if events else 0,
        sum(by_run.values()),
        by_run,
        tuple(day for (day,) in days),
    )


def _forget(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("DROP TABLE repeated_rows")
