"""What readers see of leads: the records, each lead over all runs, and what people said about them.

Both are cut into months of first actions, so that a sync writes those that it changed.
"""

from collections.abc import Iterator
from datetime import date, datetime

import duckdb

from leadpipe.warehouse import Published, read_sql

TABLES = ("leads", "grouped_leads", "lead_edits")
ASSETS = ("leads",)
_RECORDS = """
    SELECT * FROM leads WHERE first_action_date BETWEEN $month AND last_day($month::DATE)
    ORDER BY run_id, first_action_at, lead_id
"""
_NO_MONTH = date(1, 1, 1)


def published(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Iterator[Published]:
    """The files to publish; a month whose rows did not change is linked, also if it has lost all of them."""
    del now
    tell_leads(connection)
    months = connection.execute(
        "SELECT strftime(month, '%Y-%m'), month, records_version, leads_version "
        "FROM lead_month_versions ORDER BY month"
    ).fetchall()
    for name, month, records, leads in [("0000-00", _NO_MONTH, 0, 0), *months]:
        yield Published(f"leads/{name}", _RECORDS, version=records, parameters={"month": month})
        yield Published(
            f"grouped_leads/{name}",
            read_sql("leads", "grouped_leads.sql"),
            version=leads,
            parameters={"month": month},
        )
    # Notes are about people, and authors are people.
    yield Published(
        "lead_edits", "SELECT * FROM lead_edits ORDER BY edited_at, edit_id", is_personal=True
    )


def tell_leads(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `told_leads` for this connection, of which `grouped_leads.sql` has what people said."""
    connection.execute("CREATE OR REPLACE TEMP VIEW told_edits AS FROM lead_edits")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE told_leads AS {read_sql('leads', 'told_leads.sql')}"
    )
