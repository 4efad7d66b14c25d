"""What readers see of draws: lists, what was rejected, draws without their evidence, winners."""

from collections.abc import Iterator
from datetime import datetime

import duckdb

from leadpipe.warehouse import Published, read_sql

_QUERIES = {
    "draw_lists": "SELECT * EXCLUDE (inputs) FROM draw_participant_builds ORDER BY draw_date",
    "draw_rejections": "SELECT * FROM draw_rejections ORDER BY draw_date, reason",
    "draws": """
        SELECT * EXCLUDE (evidence) REPLACE (CAST(announcement AS JSON) AS announcement)
        FROM draws ORDER BY draw_date, attempt
    """,
}
TABLES = (*_QUERIES, "draw_winners")
ASSETS = ()


def published(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Iterator[Published]:
    """The files to publish."""
    del connection, now
    for name, query in _QUERIES.items():
        yield Published(name, query)
    yield Published("draw_winners", read_sql("draws", "published_winners.sql"))
