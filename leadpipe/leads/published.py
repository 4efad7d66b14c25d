"""What readers see of leads: the records, each lead over all runs, and what people said about them."""

from collections.abc import Iterator
from datetime import datetime

import duckdb

from leadpipe.warehouse import Published, read_sql

TABLES = ("leads", "grouped_leads", "lead_edits")
ASSETS = ("leads",)


def published(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Iterator[Published]:
    """The files to publish."""
    del connection, now
    yield Published("leads", "SELECT * FROM leads ORDER BY run_id, first_action_at, lead_id")
    yield Published("grouped_leads", read_sql("leads", "grouped_leads.sql"))
    # Notes are about people, and authors are people.
    yield Published(
        "lead_edits", "SELECT * FROM lead_edits ORDER BY edited_at, edit_id", is_personal=True
    )
