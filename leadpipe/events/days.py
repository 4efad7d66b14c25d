"""What the warehouse knows of each day: how far it was read, and whether it is complete.

`event_days` has a row a day: `read_until` (all events PostHog received up to then were read), the count
PostHog gave for that moment and ours, and a `version` that rises whenever a row of the day changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

# Events of a day up to a moment, counted as PostHog counts them: copies PostHog has on another day than
# the one we keep the event under belong to both.
_COUNTS = """
    SELECT event_date, sum(events)::BIGINT FROM (
        SELECT event_date, count(*) AS events FROM raw_events
        WHERE event_date IN (SELECT unnest($days::DATE[])) AND created_at <= $until
          AND event IN (SELECT unnest($events::VARCHAR[]))
        GROUP BY event_date
        UNION ALL
        SELECT event_date, count(*) FROM event_copies
        WHERE event_date IN (SELECT unnest($days::DATE[])) GROUP BY event_date
    ) GROUP BY event_date
"""


@dataclass(frozen=True)
class DayState:
    """A day as the warehouse has it; counts are None before the first check."""

    read_until: datetime | None = None
    posthog_events: int | None = None
    warehouse_events: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the day was checked and both counts were the same."""
        return self.posthog_events is not None and self.posthog_events == self.warehouse_events


def day_states(connection: duckdb.DuckDBPyConnection) -> dict[date, DayState]:
    """Every day that was ever read or brought by an event."""
    return {
        day: DayState(*state)
        for day, *state in connection.execute(
            "SELECT event_date, read_until, posthog_events, warehouse_events FROM event_days"
        ).fetchall()
    }


def stored_counts(
    connection: duckdb.DuckDBPyConnection,
    days: Sequence[date],
    *,
    events: Sequence[str],
    until: datetime,
) -> dict[date, int]:
    """Stored events per day that PostHog received up to `until`; days without any are left out."""
    rows = connection.execute(
        _COUNTS, {"days": list(days), "until": until, "events": list(events)}
    ).fetchall()
    return dict(rows)


def record_read(
    connection: duckdb.DuckDBPyConnection,
    expected: Mapping[date, int],
    *,
    events: Sequence[str],
    until: datetime,
    now: datetime,
) -> dict[date, DayState]:
    """Note that days were read up to `until`, and check them; run it with the rows' transaction.

    `expected` has the count PostHog gave for `until`, per day.

    Returns:
        The days' new states.
    """
    days = list(expected)
    stored = stored_counts(connection, days, events=events, until=until)
    connection.execute(
        "INSERT INTO event_days (event_date, version) SELECT day, 0 FROM unnest($days::DATE[]) AS d(day) "
        "WHERE day NOT IN (SELECT event_date FROM event_days)",
        {"days": days},
    )
    connection.execute(
        """
        UPDATE event_days SET read_until = greatest(read_until, $until), checked_at = $now,
            posthog_events = checked.posthog_events, warehouse_events = checked.warehouse_events
        FROM (
            SELECT unnest($days::DATE[]) AS day, unnest($expected::BIGINT[]) AS posthog_events,
                   unnest($stored::BIGINT[]) AS warehouse_events
        ) AS checked
        WHERE event_date = checked.day
        """,
        {
            "until": until,
            "now": now,
            "days": days,
            "expected": [expected[day] for day in days],
            "stored": [stored.get(day, 0) for day in days],
        },
    )
    return {day: DayState(until, expected[day], stored.get(day, 0)) for day in days}
