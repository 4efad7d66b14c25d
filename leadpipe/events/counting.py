"""How many events of which name each day has, counted once a change, so that they can be published by month.

`day_counts` is what `raw_events` has, by day, name and reason of rejection; `day_count_builds` has from which
version of each day.
"""

from datetime import date

import duckdb

from leadpipe.warehouse import read_sql


def count_days(connection: duckdb.DuckDBPyConnection) -> list[date]:
    """Count the days whose events changed since, in the publication's transaction; which they are."""
    stale = [
        day
        for (day,) in connection.execute("""
            SELECT event_date FROM event_days LEFT JOIN day_count_builds AS builds USING (event_date)
            WHERE event_days.version > 0 AND event_days.version IS DISTINCT FROM builds.version
            ORDER BY event_date
        """).fetchall()
    ]
    if stale:
        days = {"days": stale}
        for table in ("day_counts", "day_count_builds"):
            connection.execute(
                f"DELETE FROM {table} WHERE event_date IN (SELECT unnest($days::DATE[]))", days
            )
        connection.execute(
            f"INSERT INTO day_counts BY NAME {read_sql('events', 'day_counts.sql')}", days
        )
        connection.execute(
            "INSERT INTO day_count_builds SELECT event_date, version FROM event_days "
            "WHERE event_date IN (SELECT unnest($days::DATE[]))",
            days,
        )
    return stale
