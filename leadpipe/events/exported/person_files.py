"""Exported persons: who each distinct id belongs to, by the highest version of that.

What they say ranks above the person of ingestion and below PostHog's queries (`persons.py`), whatever came
first. Their properties are not read. Deleted persons are none: events that are still here keep whom they had,
and of who has none nothing is kept.
"""

from datetime import date

import duckdb

from leadpipe.events.persons import PersonRank
from leadpipe.events.versions import mark_changed

COLUMNS = ("distinct_id", "person_id", "person_distinct_id_version")
"""What a file of persons has; `is_deleted` may be missing in older ones."""


def take_persons(
    connection: duckdb.DuckDBPyConnection, source: str, *, has_deleted: bool
) -> tuple[int, set[date]]:
    """Give distinct ids to the persons that an export names, for events stored and to come.

    Args:
        connection: the warehouse, in a transaction.
        source: SQL of the rows, with `COLUMNS`.
        has_deleted: whether they say who is deleted.

    Returns:
        How many rows there were, and the days whose events changed.

    Raises:
        duckdb.Error: the rows cannot be read.
    """
    there = "WHERE NOT coalesce(is_deleted, false)" if has_deleted else ""
    counted = connection.execute(f"SELECT count(*) FROM {source}").fetchone()
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE named AS
        SELECT distinct_id, last.person_id AS person_id, last.version AS version
        FROM (
            SELECT distinct_id::VARCHAR AS distinct_id, max({{
                'version': coalesce(person_distinct_id_version::BIGINT, 0),
                'person_id': person_id::VARCHAR
            }}) AS last
            FROM (SELECT * FROM {source} {there})
            WHERE distinct_id IS NOT NULL AND person_id IS NOT NULL
            GROUP BY ALL
        );
        DELETE FROM named USING person_overrides AS known
        WHERE named.distinct_id = known.distinct_id AND (
            known.person_rank > {PersonRank.EXPORT}
            OR (known.version, known.person_id) >= (named.version, named.person_id)
        );
    """)
    moved = f"""
        stored.distinct_id = named.distinct_id AND stored.person_rank < {PersonRank.QUERY}
        AND stored.person_id IS DISTINCT FROM named.person_id
    """
    days = {
        day
        for (day,) in connection.execute(
            f"SELECT DISTINCT event_date FROM raw_events AS stored JOIN named ON {moved}"
        ).fetchall()
    }
    connection.execute(f"""
        UPDATE raw_events AS stored SET person_id = named.person_id, person_rank = {PersonRank.EXPORT}
        FROM named
        WHERE stored.distinct_id = named.distinct_id AND stored.person_rank < {PersonRank.QUERY}
            AND (stored.person_id, stored.person_rank)
                IS DISTINCT FROM (named.person_id, {PersonRank.EXPORT});
        DELETE FROM person_overrides WHERE distinct_id IN (SELECT distinct_id FROM named);
        INSERT INTO person_overrides (distinct_id, person_id, person_rank, version)
        SELECT distinct_id, person_id, {PersonRank.EXPORT}, version FROM named;
        DROP TABLE named
    """)
    if has_deleted:
        connection.execute(f"""
            DELETE FROM person_overrides AS known USING (
                SELECT distinct_id::VARCHAR AS distinct_id,
                       max(coalesce(person_distinct_id_version::BIGINT, 0)) AS version
                FROM {source} WHERE is_deleted GROUP BY ALL
            ) AS gone
            WHERE known.distinct_id = gone.distinct_id AND known.person_rank = {PersonRank.EXPORT}
                AND known.version <= gone.version
                AND known.distinct_id NOT IN (
                    SELECT distinct_id FROM raw_events WHERE distinct_id IS NOT NULL
                )
        """)
    mark_changed(connection, sorted(days), [])
    return int(counted[0]) if counted else 0, days
