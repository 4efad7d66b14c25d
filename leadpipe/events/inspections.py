"""What holds of stored events: no uuid twice, nothing lost, each day counted as it is."""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb

from leadpipe.events.known_uuids import NAME, hashed, open_uuids
from leadpipe.inspecting import Inspection
from leadpipe.settings import Settings
from leadpipe.warehouse import date_literals, forget_filters, hashes_of, read_sql

_SLICES = 16
_OF_SLICE = "SELECT uuid FROM raw_events WHERE hash(uuid) >> 60 = {}"
_DAYS = """
    SELECT CAST(event_date AS VARCHAR) AS part, CAST(version AS VARCHAR) AS version
    FROM event_days WHERE version > 0
"""
# Days with fewer events than were counted: at least as many should be there, as a name that is no longer
# read may have rows still.
LOST = """
    SELECT event_date, warehouse_events - coalesce(events_now, 0) AS lost
    FROM event_days LEFT JOIN (
        SELECT event_date, count(*) AS events_now FROM (
            SELECT event_date, created_at FROM raw_events WHERE {days}
            UNION ALL
            SELECT event_date, NULL FROM event_copies WHERE {days}
        ) JOIN event_days USING (event_date)
        WHERE created_at IS NULL OR created_at <= read_until
        GROUP BY event_date
    ) USING (event_date)
    WHERE checked_at IS NOT NULL AND warehouse_events > coalesce(events_now, 0) AND {days}
"""


def _repeated_on(
    connection: duckdb.DuckDBPyConnection, settings: Settings, parts: Sequence[str]
) -> Mapping[str, int]:
    del settings
    days = f"event_date IN ({date_literals(parts)})"
    return dict(
        connection.execute(f"""
            SELECT CAST(event_date AS VARCHAR), count(DISTINCT uuid) FROM raw_events
            WHERE {days} AND uuid IN (
                SELECT uuid FROM raw_events WHERE {days} GROUP BY uuid HAVING count(*) > 1
            )
            GROUP BY event_date
        """).fetchall()
    )


def _repeated_or_unknown(
    connection: duckdb.DuckDBPyConnection, settings: Settings, parts: Sequence[str]
) -> Mapping[str, int]:
    """By slice how many uuids are stored twice, and how many the file of known ones does not know."""
    del settings
    found: dict[str, int] = {}
    known = open_uuids(connection)
    for part in parts:
        uuids = _OF_SLICE.format(int(part))
        repeated = connection.execute(
            f"SELECT count(*) FROM (SELECT uuid FROM ({uuids}) GROUP BY uuid HAVING count(*) > 1)"
        ).fetchone()
        found[part] = int(repeated[0]) if repeated else 0
        if known is not None:
            unknown = ~known.may_have(hashes_of(connection, hashed(uuids)))
            found[part] += int(unknown.sum())
            if unknown.any():  # the next load makes it anew
                forget_filters(connection, NAME)
    return found


def _lost_on(
    connection: duckdb.DuckDBPyConnection, settings: Settings, parts: Sequence[str]
) -> Mapping[str, int]:
    del settings
    days = f"event_date IN ({date_literals(parts)})"
    return {
        day.isoformat(): lost for day, lost in connection.execute(LOST.format(days=days)).fetchall()
    }


def _runs_not_noted_on(
    connection: duckdb.DuckDBPyConnection, settings: Settings, parts: Sequence[str]
) -> Mapping[str, int]:
    """By day how many runs have events on it and are not noted; they are, from then on."""
    del settings
    lacking = f"""
        SELECT DISTINCT run_id, event_date FROM raw_events WHERE event_date IN ({date_literals(parts)})
        EXCEPT FROM run_days
    """
    found = connection.execute(
        f"SELECT CAST(event_date AS VARCHAR), count(*) FROM ({lacking}) GROUP BY event_date"
    ).fetchall()
    if found:
        connection.execute(f"INSERT INTO run_days {lacking}")
    return dict(found)


def _miscounted_on(
    connection: duckdb.DuckDBPyConnection, settings: Settings, parts: Sequence[str]
) -> Mapping[str, int]:
    del settings
    there = "SELECT * FROM day_counts WHERE event_date IN (SELECT unnest($days::DATE[]))"
    anew = read_sql("events", "day_counts.sql")
    return dict(
        connection.execute(
            f"""
            SELECT CAST(event_date AS VARCHAR), count(*) FROM (
                (({there}) EXCEPT ({anew})) UNION ALL (({anew}) EXCEPT ({there}))
            ) GROUP BY event_date
            """,
            {"days": [date.fromisoformat(part) for part in parts]},
        ).fetchall()
    )


NO_UUID_REPEATED = Inspection(
    "no_uuid_is_repeated",
    "On the days that changed together no uuid is stored twice.",
    _DAYS,
    _repeated_on,
    at_once=400,
)
"""For syncs; by night `uuids_are_unique` looks at those of all days."""
NO_EVENT_LOST = Inspection(
    "no_event_is_lost",
    "A day has at least as many events as it had when it was compared with PostHog.",
    _DAYS,
    _lost_on,
)
INSPECTIONS = (
    Inspection(
        "uuids_are_unique",
        "No uuid is stored twice on whatever days, and the file of known uuids knows each.",
        "SELECT CAST(number AS VARCHAR) AS part, NULL::VARCHAR AS version "
        f"FROM range({_SLICES}) AS slices(number)",
        _repeated_or_unknown,
        at_once=1,
    ),
    NO_EVENT_LOST,
    Inspection(
        "days_of_runs_are_noted",
        "Of each run it is noted on which days its events are: lead records are made of those days.",
        _DAYS,
        _runs_not_noted_on,
    ),
    Inspection(
        "days_are_counted",
        "The published counts of events by day are those of the events.",
        """
        SELECT CAST(event_date AS VARCHAR) AS part, CAST(version AS VARCHAR) AS version
        FROM day_count_builds JOIN event_days USING (event_date, version)
        """,
        _miscounted_on,
    ),
)
