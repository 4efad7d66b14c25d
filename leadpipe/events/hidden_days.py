"""The table `hidden_days`: days that lost events in PostHog, and whether retention may be why.

A day is in question until a sync has looked at its events; then it is hidden, from the latest event that
vanished on, or not there any more. Who decides is `ruling.py`.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta

import duckdb

# A floor moves with the clock, or once a month: after so long it has moved, however it does.
TOLD_AFTER = timedelta(days=35)


def hide(
    connection: duckdb.DuckDBPyConnection,
    doubtful: Mapping[date, Collection[str]],
    *,
    looked_at: Collection[date],
    now: datetime,
) -> None:
    """Remember which days have events that PostHog may hide; in a transaction.

    Args:
        connection: the warehouse, in a transaction.
        doubtful: their uuids by day.
        looked_at: days that were read; those that are not in `doubtful` are in question no longer.
        now: when (UTC).
    """
    found = {
        day: connection.execute(
            "SELECT max(timestamp), count(*) FROM raw_events WHERE event_date = ? "
            "AND uuid IN (SELECT unnest(?::UUID[]))",
            [day, list(uuids)],
        ).fetchone()
        for day, uuids in doubtful.items()
    }
    known = dict(
        connection.execute(
            "SELECT event_date, (hidden_until, since) FROM hidden_days WHERE hidden_until IS NOT NULL"
        ).fetchall()
    )
    connection.execute(
        "DELETE FROM hidden_days WHERE event_date IN (SELECT unnest($days::DATE[])) "
        "AND (hidden_until IS NULL OR event_date IN (SELECT unnest($doubtful::DATE[])))",
        {"days": [*looked_at, *doubtful], "doubtful": list(doubtful)},
    )
    for day, (hidden_until, events) in ((day, row) for day, row in found.items() if row):
        before, first_seen = known.get(day, (None, now))
        connection.execute(
            "INSERT INTO hidden_days VALUES (?, ?, ?, ?, false)",
            [day, hidden_until, events, first_seen if before == hidden_until else now],
        )


def reopen(connection: duckdb.DuckDBPyConnection, days: Collection[date]) -> None:
    """Forget that events of these days were hidden, as they were followed or are shown again."""
    connection.execute(
        "DELETE FROM hidden_days WHERE event_date IN (SELECT unnest($days::DATE[]))",
        {"days": list(days)},
    )


def question(
    connection: duckdb.DuckDBPyConnection, days: Collection[date], *, now: datetime
) -> None:
    """Let the next sync look at the events of days that lost some, for a reason that is not known yet."""
    connection.execute(
        "INSERT INTO hidden_days SELECT day, NULL, 0, $now, false FROM unnest($days::DATE[]) AS d(day) "
        "WHERE day NOT IN (SELECT event_date FROM hidden_days)",
        {"days": sorted(days), "now": now},
    )


def questioned(connection: duckdb.DuckDBPyConnection) -> frozenset[date]:
    """Days that wait for a look at their events."""
    return frozenset(
        day
        for (day,) in connection.execute(
            "SELECT event_date FROM hidden_days WHERE hidden_until IS NULL OR is_told"
        ).fetchall()
    )


def tell_by_time(connection: duckdb.DuckDBPyConnection) -> None:
    """Where PostHog long shows what a moving floor would have hidden, what vanished was deleted."""
    connection.execute(
        """
        UPDATE hidden_days SET is_told = true
        WHERE hidden_until IS NOT NULL AND NOT is_told AND EXISTS (
            FROM event_days AS shown
            WHERE shown.event_date > hidden_days.event_date AND posthog_events > 0
              AND (shown.event_date + INTERVAL 1 DAY)::TIMESTAMPTZ
                  <= hidden_until + (checked_at - since) - to_seconds($patience)
        )
        """,
        {"patience": TOLD_AFTER.total_seconds()},
    )
