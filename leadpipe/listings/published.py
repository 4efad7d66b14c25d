"""What readers see of listings: totals, and hours cut into months."""

from collections.abc import Iterator
from datetime import datetime

import duckdb

from leadpipe.warehouse import Published

TABLES = ("listings", "listing_analytics")
ASSETS = ("listing_analytics", "listings")


def published(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Iterator[Published]:
    """The files to publish; a month whose rows did not change is linked, also if it has lost all of them."""
    del now
    yield Published("listings", "SELECT * FROM listings ORDER BY listing_id")
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
