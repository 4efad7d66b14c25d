"""What readers see of leads: the records, and each lead over all runs."""

from collections.abc import Iterator
from datetime import datetime

import duckdb

from leadpipe.warehouse import Published, read_sql

TABLES = ("leads", "grouped_leads")
ASSETS = ("leads",)


def published(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Iterator[Published]:
    """The files to publish."""
    del connection, now
    yield Published("leads", "SELECT * FROM leads ORDER BY run_id, first_action_at, lead_id")
    yield Published("grouped_leads", read_sql("leads", "grouped_leads.sql"))
