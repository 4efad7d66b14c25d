"""What holds of listings: hours are possible, and are those of the events; totals are those of all days."""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb

from leadpipe.inspecting import Inspection
from leadpipe.listings.listings import name_actions
from leadpipe.ranges import contiguous
from leadpipe.settings import Settings
from leadpipe.warehouse import date_literals, read_sql

# A count that is negative, a part that is larger than its whole, a rate that does not follow.
IMPOSSIBLE = """
    least(total_views, unique_views, logged_in_views, anonymous_views, total_impressions, total_leads,
          phone_leads, message_leads, email_leads, appointment_leads, website_leads, unique_leads,
          total_sales) < 0
    OR unique_views > total_views OR unique_leads > total_leads
    OR logged_in_views + anonymous_views <> total_views
    OR views_from_home + views_from_explore + views_from_search + views_from_direct > total_views
    OR phone_leads + message_leads + email_leads + appointment_leads + website_leads <> total_leads
    OR (conversion_rate IS NULL) <> (total_views = 0)
    OR isnan(conversion_rate) OR isinf(conversion_rate)
    OR abs(conversion_rate - total_leads * 100 / nullif(total_views, 0)) > 1e-6
"""
_SLICES = 16
# Days whose hours, and totals, are those of the events as they are now.
_BUILT = """
    SELECT CAST(event_date AS VARCHAR) AS part, concat_ws(' ', version, checksum) AS version
    FROM {builds} JOIN event_days USING (event_date, version)
"""


def _impossible(
    connection: duckdb.DuckDBPyConnection, settings: Settings, parts: Sequence[str]
) -> Mapping[str, int]:
    del settings
    return dict(
        connection.execute(f"""
            SELECT CAST(date AS VARCHAR), count(*) FROM listing_analytics
            WHERE date IN ({date_literals(parts)}) AND ({IMPOSSIBLE}) GROUP BY date
        """).fetchall()
    )


def _other_hours(
    connection: duckdb.DuckDBPyConnection, settings: Settings, parts: Sequence[str]
) -> Mapping[str, int]:
    del settings
    return _other_rows(connection, "listing_analytics", parts)


def _other_days(
    connection: duckdb.DuckDBPyConnection, settings: Settings, parts: Sequence[str]
) -> Mapping[str, int]:
    del settings
    days = _other_rows(connection, "listing_days", parts)
    people = _other_rows(connection, "listing_people", parts)
    return {day: days.get(day, 0) + people.get(day, 0) for day in {*days, *people}}


def _other_rows(
    connection: duckdb.DuckDBPyConnection, table: str, parts: Sequence[str]
) -> dict[str, int]:
    """By day how many rows of a table are others than its query gives now, or are lacking."""
    name_actions(connection)
    there = f"SELECT * FROM {table} WHERE date BETWEEN $first_day AND $last_day"
    columns = ", ".join(
        f'CAST("{name}" AS {kind}) AS "{name}"'
        for name, kind, *_ in connection.execute(f"DESCRIBE {table}").fetchall()
    )
    anew = f"SELECT {columns} FROM ({read_sql('listings', f'{table}.sql')})"
    found: dict[str, int] = {}
    for first, last in contiguous(date.fromisoformat(part) for part in parts):
        found |= connection.execute(
            f"""
            SELECT CAST(date AS VARCHAR), count(*) FROM (
                (({there}) EXCEPT ALL ({anew})) UNION ALL (({anew}) EXCEPT ALL ({there}))
            ) GROUP BY date
            """,
            {"first_day": first, "last_day": last},
        ).fetchall()
    return found


def _other_sums(
    connection: duckdb.DuckDBPyConnection, settings: Settings, parts: Sequence[str]
) -> Mapping[str, int]:
    """By day of how many listings the sums are not those of its hours, or the totals less than they."""
    del settings
    days = f"date IN ({date_literals(parts)})"
    return dict(
        connection.execute(f"""
            WITH hours AS (
                SELECT date, listing_id, sum(total_views) AS views, sum(total_leads) AS leads,
                       sum(total_sales) AS sales, sum(sales_value) AS value
                FROM listing_analytics WHERE {days} GROUP BY ALL
            )
            SELECT CAST(date AS VARCHAR), count(*)
            FROM hours
            FULL JOIN (
                SELECT date, listing_id, total_views, total_leads, total_sales, sales_value
                FROM listing_days WHERE {days}
            ) AS sums USING (date, listing_id)
            LEFT JOIN listings USING (listing_id)
            WHERE (sums.total_views, sums.total_leads, sums.total_sales, sums.sales_value)
                  IS DISTINCT FROM (views, leads, sales, value)
               OR coalesce(listings.total_views < views OR listings.total_leads < leads, true)
            GROUP BY date
        """).fetchall()
    )


def _other_totals(
    connection: duckdb.DuckDBPyConnection, settings: Settings, parts: Sequence[str]
) -> Mapping[str, int]:
    """By slice how many listings have other totals, distinct people included, than all days counted anew."""
    del settings
    found: dict[str, int] = {}
    for part in parts:
        of_slice = f"hash(listing_id) >> 60 = {int(part)}"
        connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE listing_sums AS
            SELECT * FROM ({read_sql("listings", "all_sums.sql")}) WHERE {of_slice}
        """)
        there = f"SELECT * FROM listings WHERE {of_slice}"
        anew = f"SELECT * FROM ({read_sql('listings', 'listings.sql')})"
        rows = connection.execute(f"""
            SELECT count(*) FROM (
                (({there}) EXCEPT ALL ({anew})) UNION ALL (({anew}) EXCEPT ALL ({there}))
            )
        """).fetchone()
        found[part] = int(rows[0]) if rows else 0
        connection.execute("DROP TABLE listing_sums")
    return found


POSSIBLE_HOURS = Inspection(
    "no_hour_is_impossible",
    "No count of an hour is negative, no part exceeds its whole, every rate follows from its counts.",
    "SELECT CAST(event_date AS VARCHAR) AS part, concat_ws(' ', version, checksum) AS version "
    "FROM listing_analytics_builds",
    _impossible,
)
SUMS_OF_DAYS = Inspection(
    "days_equal_their_hours",
    "What a day adds to each listing's totals is the sum of its hours, and no total is less.",
    "SELECT CAST(event_date AS VARCHAR) AS part, concat_ws(' ', version, checksum) AS version "
    "FROM listing_day_builds",
    _other_sums,
)
INSPECTIONS = (
    POSSIBLE_HOURS,
    SUMS_OF_DAYS,
    Inspection(
        "hours_equal_their_events",
        "The hours of a day are those that its events give now.",
        _BUILT.format(builds="listing_analytics_builds"),
        _other_hours,
    ),
    Inspection(
        "listing_days_equal_their_events",
        "What a day adds to totals, and who was there, is what its events give now.",
        _BUILT.format(builds="listing_day_builds"),
        _other_days,
    ),
    Inspection(
        "totals_equal_all_days",
        "A listing's totals and its distinct people, kept up day by day, are those of all days counted anew.",
        "SELECT CAST(number AS VARCHAR) AS part, NULL::VARCHAR AS version "
        f"FROM range({_SLICES}) AS slices(number)",
        _other_totals,
        at_once=1,
    ),
)
