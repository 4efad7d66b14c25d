"""Whose an event is: persons merge after the fact, and then all their events are one person's.

A query names the person as PostHog resolves it now; a webhook or an export the one of ingestion. What ranks
lower never undoes what ranks higher, in whatever order they come. That persons changed is seen by the proof
of the days (`proof.py`); who they are now is asked here, and only the days they touch are built again.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from enum import IntEnum

import duckdb

from leadpipe.errors import QueryTooHeavy
from leadpipe.events.proof import Fingerprint, has_other_copies, of_days, stored_of_days
from leadpipe.events.versions import mark_changed
from leadpipe.posthog import PostHog
from leadpipe.warehouse import Warehouse, read_sql

_PAGE_ROWS = 50_000
_MOST_PAGES = 40


class PersonRank(IntEnum):
    """How much a source knows of persons; the higher one is right."""

    INGESTION = 1
    """A webhook or an exported event: who somebody was when the event came in."""
    EXPORT = 2
    """An export of persons: who they were when it was made."""
    QUERY = 3
    """A query: who they are."""


def compare_days(
    posthog: PostHog,
    warehouse: Warehouse,
    days: Collection[date],
    *,
    events: Sequence[str],
    until: datetime,
    is_dry: bool = False,
) -> tuple[dict[date, Fingerprint], dict[date, Fingerprint]]:
    """PostHog's fingerprints of the days and ours, after merges were followed where only copies differ.

    A dry comparison follows none, and takes such days as equal.
    """
    theirs = of_days(posthog, days, events=events, until=until)
    with warehouse.connect() as connection:
        ours = stored_of_days(connection, days, events=events, until=until)
    others = {day for day in days if has_other_copies(theirs[day], ours[day])}
    if is_dry:
        return theirs, {**ours, **{day: theirs[day] for day in others}}
    if others:
        follow_merges(posthog, warehouse)
        with warehouse.connect() as connection:
            ours = stored_of_days(connection, days, events=events, until=until)
    return theirs, ours


def follow_merges(posthog: PostHog, warehouse: Warehouse) -> tuple[date, ...]:
    """Give stored events the persons that PostHog's merges gave them; the days whose events changed.

    One query for 50,000 merges that PostHog has not worked into its events yet. A project whose list is too
    heavy, or longer than two million, is left as it is: days that differ are read whole then.

    Raises:
        PostHogError, WarehouseLocked.
    """
    touched: set[date] = set()
    after = ""
    for _ in range(_MOST_PAGES):
        try:
            rows = posthog.query(
                read_sql("events", "overrides.hogql"),
                values={"after": after, "page_rows": _PAGE_ROWS},
                name="leadpipe: merged persons",
            ).decoded()
        except QueryTooHeavy:
            break
        if rows:
            with warehouse.writing("door") as connection:
                touched |= assign(connection, [(str(who), str(person)) for who, person in rows])
        if len(rows) < _PAGE_ROWS:
            break
        after = str(rows[-1][0])
    return tuple(sorted(touched))


def assign(connection: duckdb.DuckDBPyConnection, merges: Sequence[tuple[str, str]]) -> set[date]:
    """Give the events of distinct ids to the persons they belong to now, and remember it for later events.

    Args:
        connection: the warehouse, in a transaction.
        merges: distinct ids, each with its person.

    Returns:
        The days whose events changed.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE merges AS "
        "SELECT unnest($distinct_ids::VARCHAR[]) AS distinct_id, unnest($persons::VARCHAR[]) AS person_id",
        {
            "distinct_ids": [distinct_id for distinct_id, _ in merges],
            "persons": [person for _, person in merges],
        },
    )
    moved = "stored.distinct_id = merges.distinct_id AND stored.person_id IS DISTINCT FROM merges.person_id"
    days = {
        day
        for (day,) in connection.execute(
            f"SELECT DISTINCT event_date FROM raw_events AS stored JOIN merges ON {moved}"
        ).fetchall()
    }
    connection.execute(f"""
        UPDATE raw_events AS stored SET person_id = merges.person_id, person_rank = {PersonRank.QUERY}
        FROM merges WHERE {moved};
        UPDATE event_copies AS stored SET person_id = merges.person_id FROM merges WHERE {moved};
        UPDATE person_overrides AS known
        SET person_id = merges.person_id, person_rank = {PersonRank.QUERY}, version = NULL
        FROM merges WHERE known.distinct_id = merges.distinct_id;
        INSERT INTO person_overrides (distinct_id, person_id, person_rank)
        SELECT distinct_id, person_id, {PersonRank.QUERY} FROM merges
        WHERE distinct_id IN (SELECT distinct_id FROM raw_events)
            AND distinct_id NOT IN (SELECT distinct_id FROM person_overrides)
    """)
    mark_changed(connection, sorted(days), [])
    return days
