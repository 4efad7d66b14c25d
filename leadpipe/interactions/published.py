"""What readers see of staff contacts: what each sync did."""

from collections.abc import Iterator
from datetime import datetime

import duckdb

from leadpipe.warehouse import Published

TABLES = ("interaction_syncs",)
ASSETS = ()


def published(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Iterator[Published]:
    """The files to publish."""
    del connection, now
    yield Published(
        "interaction_syncs", "SELECT * FROM interaction_syncs ORDER BY synced_at, sync_id"
    )
