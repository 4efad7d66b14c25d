"""Hours and totals of listings again, from the events of all days."""

from collections.abc import Mapping

import duckdb

from leadpipe.listings.listings import build_listing_analytics, build_listings
from leadpipe.settings import Settings


def rebuild(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, is_rescored: bool
) -> Mapping[str, int]:
    """Build all hours and all listings again."""
    del settings, is_rescored
    connection.execute("DELETE FROM listing_analytics; DELETE FROM listing_analytics_builds")
    span = connection.execute("SELECT min(event_date), max(event_date) FROM event_days").fetchone()
    ranges = [span] if span and span[0] else []
    hours = build_listing_analytics(connection, ranges).rows
    return {"listing hours": hours, "listings": build_listings(connection, is_anew=True)}
