"""What readers see of listings: totals by month of first activity, and hours cut into months."""

from collections.abc import Iterator
from datetime import date, datetime

import duckdb

from leadpipe.warehouse import Published

TABLES = ("listings", "listing_analytics")
ASSETS = ("listing_analytics", "listings")
_TOTALS = """
    SELECT * FROM listings
    WHERE first_activity_at >= $month::DATE AND first_activity_at < $month::DATE + INTERVAL 1 MONTH
    ORDER BY listing_id
"""
_NO_MONTH = date(1, 1, 1)


def published(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Iterator[Published]:
    """The files to publish; a month whose rows did not change is linked, also if it has lost all of them."""
    del now
    first_active = connection.execute(
        "SELECT strftime(month, '%Y-%m'), month, version FROM listing_month_versions ORDER BY month"
    ).fetchall()
    for name, month, version in [("0000-00", _NO_MONTH, 0), *first_active]:
        yield Published(f"listings/{name}", _TOTALS, version=version, parameters={"month": month})
    yield Published(
        "listing_analytics/0000-00", "SELECT * FROM listing_analytics LIMIT 0", version=0
    )
    months = connection.execute("""
        SELECT CAST(date_trunc('month', event_date) AS DATE) AS month,
               md5(string_agg(concat_ws(' ', event_date, coalesce(checksum, version::VARCHAR)), ','
                   ORDER BY event_date))
        FROM listing_analytics_builds GROUP BY month ORDER BY month
    """).fetchall()
    for month, version in months:
        yield Published(
            f"listing_analytics/{month:%Y-%m}",
            "SELECT * FROM listing_analytics WHERE date BETWEEN $month AND last_day($month::DATE) "
            "ORDER BY date, hour, listing_id",
            version=str(version),
            parameters={"month": month},
        )
