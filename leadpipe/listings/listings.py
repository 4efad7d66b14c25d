"""Build the listing marts: hours of the days asked, and totals over all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from leadpipe.listings.people import find_people, forget_people
from leadpipe.ranges import contiguous
from leadpipe.warehouse import read_sql

_MONTH = timedelta(days=31)
# Where more than one day of so many is another, all days are taken anew.
_MOST_REPLACED = 5
_CHANGES = (
    "replaced_days",
    *(
        f"{what}_{part}"
        for what in ("days", "people")
        for part in ("before", "after", "gone", "fresh")
    ),
    "day_changes",
    "people_changed",
    "people_found",
    "people_changes",
)


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


def build_listings(connection: duckdb.DuckDBPyConnection, *, is_anew: bool = False) -> int:
    """Bring the totals up to the hours; run it inside a transaction. Returns how many listings there are.

    Only days whose hours were built since are looked at, and only listings that these days changed are
    written; the outcome is that of all days anew.

    Args:
        connection: the warehouse, in a transaction.
        is_anew: take all days anew, whatever was built before.
    """
    name_actions(connection)
    days, known = _days_to_total(connection)
    if is_anew or len(days) * _MOST_REPLACED > known:
        _total_all_days(connection)
    elif days:
        _replace_days(connection, days)
    found = connection.execute("SELECT count(*) FROM listings").fetchone()
    return int(found[0]) if found else 0


def _days_to_total(connection: duckdb.DuckDBPyConnection) -> tuple[list[date], int]:
    """Days whose hours are others than the totals were made of, and how many days there are."""
    rows = connection.execute("""
        SELECT event_date, (hours.version, hours.checksum) IS DISTINCT FROM (days.version, days.checksum)
        FROM listing_analytics_builds AS hours
        FULL JOIN listing_day_builds AS days USING (event_date) ORDER BY event_date
    """).fetchall()
    return [day for day, is_other in rows if is_other], len(rows)


def _total_all_days(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the totals from all days; memory stays flat over years."""
    forget_people(connection)
    _raise_months(connection, "SELECT listing_id FROM listings")
    connection.execute(
        "DELETE FROM listings; DELETE FROM listing_days; DELETE FROM listing_people; "
        "DELETE FROM listing_day_builds; INSERT INTO listing_day_builds FROM listing_analytics_builds"
    )
    first, last = connection.execute(
        "SELECT min(event_date), max(event_date) FROM listing_analytics_builds"
    ).fetchone() or (None, None)
    for span in _months(first, last) if first else ():
        for table in ("listing_days", "listing_people"):
            _insert(connection, table, f"{table}.sql", *span)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE listing_sums AS {read_sql("listings", "all_sums.sql")};
        INSERT INTO listings {read_sql("listings", "listings.sql")};
        DROP TABLE listing_sums
    """)
    _raise_months(connection, "SELECT listing_id FROM listings")


def _replace_days(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> None:
    """Put what the days have now in the place of what they had, in the totals of the listings concerned."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE replaced_days AS SELECT unnest($days::DATE[]) AS date",
        {"days": list(days)},
    )
    for table, what in (("listing_days", "days"), ("listing_people", "people")):
        connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE {what}_before AS FROM {table} LIMIT 0;
            CREATE OR REPLACE TEMP TABLE {what}_after AS FROM {table} LIMIT 0
        """)
        for first, last in contiguous(days):
            connection.execute(
                f"INSERT INTO {what}_before FROM {table} WHERE date BETWEEN $first AND $last",
                {"first": first, "last": last},
            )
            for span in _months(first, last):
                _insert(connection, f"{what}_after", f"{table}.sql", *span)
        connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE {what}_gone AS FROM {what}_before EXCEPT FROM {what}_after;
            CREATE OR REPLACE TEMP TABLE {what}_fresh AS FROM {what}_after EXCEPT FROM {what}_before
        """)
        key = "(date, listing_id)" if what == "days" else "(date, listing_id, is_lead, actor)"
        for first, last in contiguous(days):
            connection.execute(
                f"DELETE FROM {table} WHERE date BETWEEN $first AND $last "
                f"AND {key} IN (SELECT {key} FROM {what}_gone)",
                {"first": first, "last": last},
            )
        connection.execute(f"INSERT INTO {table} FROM {what}_fresh")
    find_people(connection)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE day_changes AS
        SELECT *, true AS is_fresh FROM days_fresh UNION ALL SELECT *, false FROM days_gone;
        CREATE OR REPLACE TEMP TABLE people_changes AS {read_sql("listings", "changed_people.sql")};
        DELETE FROM listing_day_builds WHERE event_date IN (FROM replaced_days);
        INSERT INTO listing_day_builds
        FROM listing_analytics_builds WHERE event_date IN (FROM replaced_days)
    """)
    changed = "SELECT listing_id FROM day_changes UNION SELECT listing_id FROM people_changes"
    _raise_months(connection, changed)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE listing_sums AS {read_sql("listings", "changed_sums.sql")};
        DELETE FROM listings WHERE listing_id IN ({changed});
        INSERT INTO listings {read_sql("listings", "listings.sql")}
    """)
    _raise_months(connection, changed)
    for name in (*_CHANGES, "listing_sums"):
        connection.execute(f"DROP TABLE {name}")


def _raise_months(connection: duckdb.DuckDBPyConnection, changed: str) -> None:
    """Raise the versions of the months of first activity of listings: what is published of them changes."""
    months = (
        "SELECT DISTINCT CAST(date_trunc('month', first_activity_at) AS DATE) FROM listings "
        f"WHERE listing_id IN ({changed})"
    )
    connection.execute(f"""
        UPDATE listing_month_versions SET version = version + 1 WHERE month IN ({months});
        INSERT INTO listing_month_versions
        SELECT month, 1 FROM ({months}) AS found(month)
        WHERE month NOT IN (SELECT month FROM listing_month_versions)
    """)


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, query: str, first: date, last: date
) -> None:
    """Add the rows of days, both inclusive."""
    connection.execute(
        f"INSERT INTO {table} BY NAME {read_sql('listings', query)}",
        {"first_day": first, "last_day": last},
    )
