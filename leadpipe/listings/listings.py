"""Build the listing marts: hours of the days asked, and totals over all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from leadpipe.warehouse import read_sql

_MONTH = timedelta(days=31)


@dataclass(frozen=True)
class AnalyticsReport:
    """What a build did: days replaced, and the rows (listing hours) they now have."""

    days: int
    rows: int


def stale_days(connection: duckdb.DuckDBPyConnection) -> list[date]:
    """Days whose events changed since their hours were built."""
    return [
        day
        for (day,) in connection.execute("""
            SELECT event_date FROM event_days LEFT JOIN listing_analytics_builds AS builds USING (event_date)
            WHERE event_days.version > 0 AND event_days.version IS DISTINCT FROM builds.version
            ORDER BY event_date
        """).fetchall()
    ]


def build_listing_analytics(
    connection: duckdb.DuckDBPyConnection, ranges: Sequence[tuple[date, date]]
) -> AnalyticsReport:
    """Replace the hours of ranges of days, both ends inclusive; run it inside a transaction.

    A month at a time: memory stays flat over years, and the rows of a day lie together.
    """
    name_actions(connection)
    days = rows = 0
    for first, last in (part for span in ranges for part in _months(*span)):
        span = {"first_day": first, "last_day": last}
        connection.execute(
            "DELETE FROM listing_analytics WHERE date BETWEEN $first_day AND $last_day", span
        )
        found = connection.execute(
            f"INSERT INTO listing_analytics {read_sql('listings', 'listing_analytics.sql')}", span
        ).fetchone()
        rows += int(found[0]) if found else 0
        connection.execute(
            "DELETE FROM listing_analytics_builds WHERE event_date BETWEEN $first_day AND $last_day",
            span,
        )
        connection.execute(
            """
            INSERT INTO listing_analytics_builds BY NAME
            SELECT event_date, version, coalesce(checksum, 'none') AS checksum
            FROM event_days LEFT JOIN (
                SELECT date AS event_date, count(*) || ' ' || sum(hash(listing_analytics)) AS checksum
                FROM listing_analytics WHERE date BETWEEN $first_day AND $last_day GROUP BY date
            ) USING (event_date)
            WHERE event_date BETWEEN $first_day AND $last_day
            """,
            span,
        )
        days += (last - first).days + 1
    return AnalyticsReport(days, rows)


def name_actions(connection: duckdb.DuckDBPyConnection) -> None:
    """Have the view `listing_actions`, which both marts are made of, in this connection."""
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW listing_actions AS "
        + read_sql("listings", "listing_actions.sql")
    )


def _months(first: date, last: date) -> Iterator[tuple[date, date]]:
    while first <= last:
        until = min(last, first + _MONTH - timedelta(days=1))
        yield first, until
        first = until + timedelta(days=1)


def build_listings(connection: duckdb.DuckDBPyConnection) -> int:
    """Replace the totals of all listings; run it inside a transaction. Returns how many there are."""
    name_actions(connection)
    connection.execute("DELETE FROM listings")
    found = connection.execute(
        f"INSERT INTO listings {read_sql('listings', 'listings.sql')}"
    ).fetchone()
    return int(found[0]) if found else 0
