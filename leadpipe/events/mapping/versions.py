"""Which mapping each day was typed and read by.

`event_mappings` has every mapping that was ever in use; one of them is the current one, by which the door
types what comes in. A day in `event_days` knows the mapping its events are typed by (`typed_by`), and those
under which its events were read (`read_by`): what one of those did not ask for of an event is not stored.
What a change makes of stored days is the business of `retyping.py`.
"""

import json
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from functools import lru_cache

import duckdb

from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.reading import built_in, from_content
from leadpipe.events.mapping.typing_sql import quoted


def in_use(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> EventMapping:
    """The current mapping of the warehouse; in one that has none yet the built-in one is adopted."""
    found = current(connection)
    if found is None:
        adopt(connection, built_in(), now=now)
    return found or built_in()


def current(connection: duckdb.DuckDBPyConnection) -> EventMapping | None:
    """The current mapping of the warehouse, None in one that has none yet."""
    found = connection.execute("SELECT content FROM event_mappings WHERE is_current").fetchone()
    return _parsed(found[0]) if found else None


def adopt(connection: duckdb.DuckDBPyConnection, mapping: EventMapping, *, now: datetime) -> None:
    """Type what comes from now on by a mapping; in a transaction. Stored days stay as they are."""
    found = connection.execute("SELECT version FROM event_mappings WHERE is_current").fetchone()
    if found and found[0] == mapping.version:
        return
    connection.execute("UPDATE event_mappings SET is_current = false WHERE is_current")
    connection.execute(
        "DELETE FROM event_mappings WHERE version = ?",
        [mapping.version],  # in use once before
    )
    connection.execute(
        "INSERT INTO event_mappings VALUES ($version, $content, true, $now)",
        {"version": mapping.version, "content": json.dumps(mapping.as_content()), "now": now},
    )


def known(connection: duckdb.DuckDBPyConnection) -> Mapping[str, EventMapping]:
    """Every mapping that was ever in use, by its version."""
    rows = connection.execute("SELECT version, content FROM event_mappings").fetchall()
    return {version: _parsed(content) for version, content in rows}


@lru_cache(maxsize=32)
def _parsed(content: str) -> EventMapping:
    return from_content(json.loads(content))


def note_taken_in(
    connection: duckdb.DuckDBPyConnection,
    days: Collection[date],
    mapping: EventMapping,
    asked_by: EventMapping,
) -> None:
    """Keep that events of these days came in, asked for by one mapping, and typed by the one in use.

    They differ where another mapping was adopted between the two.
    """
    connection.execute(
        """
        UPDATE event_days SET
            typed_by = coalesce(typed_by, $version),
            read_by = if(
                coalesce(list_contains(read_by, $asked_by), false),
                read_by, list_append(coalesce(read_by, []), $asked_by)
            )
        WHERE event_date IN (SELECT unnest($days::DATE[]))
          AND (typed_by IS NULL OR NOT coalesce(list_contains(read_by, $asked_by), false))
        """,
        {"days": list(days), "version": mapping.version, "asked_by": asked_by.version},
    )


def note_read_whole(
    connection: duckdb.DuckDBPyConnection, days: Collection[date], mapping: EventMapping
) -> None:
    """Keep that all events of these days were read again under a mapping: it lacks nothing there."""
    connection.execute(
        "UPDATE event_days SET read_by = [$version] WHERE event_date IN (SELECT unnest($days::DATE[]))",
        {"days": list(days), "version": mapping.version},
    )


def lacking(
    connection: duckdb.DuckDBPyConnection,
    mapping: EventMapping,
    *,
    days: Collection[date] | None = None,
) -> Mapping[date, tuple[str, ...]]:
    """The days with events that lack properties a mapping needs, each with the names of those events.

    Args:
        connection: the warehouse.
        mapping: which.
        days: look at these only; of others it may be known for good, see `retyping.py`.
    """
    found = _not_asked_for(connection, mapping, mapping.lacks)
    if days is not None:
        found = {day: found[day] for day in days if day in found}
    return _stored(connection, found) if found else {}


def untypable(
    connection: duckdb.DuckDBPyConnection, mapping: EventMapping
) -> Mapping[date, tuple[str, ...]]:
    """Days and events whose stored properties are too few to be typed by a mapping, stored or not."""
    return _not_asked_for(connection, mapping, mapping.cannot_type)


def _not_asked_for(
    connection: duckdb.DuckDBPyConnection,
    mapping: EventMapping,
    lacks: Callable[[EventMapping, str], bool],
) -> Mapping[date, tuple[str, ...]]:
    """The days for which not all properties that a mapping needs were asked for, and of which events."""
    rows = connection.execute(
        "SELECT read_by, list(event_date ORDER BY event_date) FROM event_days WHERE read_by IS NOT NULL "
        "AND read_by <> [$version] GROUP BY read_by",
        {"version": mapping.version},
    ).fetchall()
    if not rows:
        return {}
    before = known(connection)
    found: dict[date, tuple[str, ...]] = {}
    for versions, days in rows:
        read_by = [before.get(version) for version in versions]
        events = tuple(
            event
            for event in mapping.names
            if any(one is None or lacks(one, event) for one in read_by)
        )
        if events:
            found |= dict.fromkeys(days, events)
    return found


def _stored(
    connection: duckdb.DuckDBPyConnection, found: Mapping[date, tuple[str, ...]]
) -> Mapping[date, tuple[str, ...]]:
    """Those of the events that are there: a day without any lacks nothing."""
    rows = connection.execute(
        "SELECT event_date, list(DISTINCT event) FROM raw_events "
        "WHERE event_date IN (SELECT unnest($days::DATE[])) "
        "AND event IN (SELECT unnest($events::VARCHAR[])) GROUP BY event_date ORDER BY event_date",
        {"days": list(found), "events": list({one for events in found.values() for one in events})},
    ).fetchall()
    there = {day: {*events} for day, events in rows}
    return {
        day: left
        for day, events in there.items()
        if (left := tuple(event for event in found[day] if event in events))
    }


def takes_the_place(connection: duckdb.DuckDBPyConnection, mapping: EventMapping) -> str:
    """A condition on `stored`: its event lacks properties, so that another copy of one moment is better."""
    return on_days(_not_asked_for(connection, mapping, mapping.lacks), "stored.")


def on_days(events: Mapping[date, Collection[str]], relation: str = "") -> str:
    """A condition on `event_date` and `event`: one of the events of one of the days.

    Args:
        events: the names by day.
        relation: whose columns, with a dot.
    """
    days_of: dict[tuple[str, ...], list[date]] = {}
    for day, names in events.items():
        days_of.setdefault(tuple(names), []).append(day)
    conditions = [
        f"({relation}event_date IN ({', '.join(_date(day) for day in days)}) "
        f"AND {relation}event IN ({', '.join(map(quoted, names))}))"
        for names, days in days_of.items()
        if names
    ]
    return " OR ".join(conditions) or "false"


def _date(day: date) -> str:
    return f"DATE '{day}'"
