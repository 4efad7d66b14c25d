"""What readers see of staff contacts: what each sync did."""

from collections.abc import Iterator
from datetime import datetime

import duckdb

from leadpipe.warehouse import Published

TABLES = ("interaction_syncs",)
ASSETS = ()
# What is JSON is a text where PostgreSQL has it.
_QUERY = """
    SELECT * REPLACE (CAST(problems AS JSON) AS problems) FROM interaction_syncs ORDER BY synced_at, sync_id
"""


def published(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Iterator[Published]:
    """The files to publish."""
    del connection, now
    yield Published("interaction_syncs", _QUERY)
