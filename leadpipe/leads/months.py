"""Which months of leads changed: what is published of the others stays as it is.

A record belongs to the month of its own first action, a lead to that of the first action of all its records.
Versions of months only rise. What the rows are is the business of `leads.py`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb

_RECORDS = """
    SELECT run_id, lead_id, CAST(date_trunc('month', first_action_date) AS DATE) AS month,
           hash(leads) AS content
    FROM leads WHERE run_id IN (SELECT unnest($runs::VARCHAR[]))
"""


@contextmanager
def months_followed(
    connection: duckdb.DuckDBPyConnection, runs: Sequence[str], *, edited: Sequence[str] = ()
) -> Iterator[None]:
    """Raise the versions of the months whose records, or leads, the block changes.

    Args:
        connection: the warehouse, in a transaction.
        runs: whose records the block may change.
        edited: leads that people said something about: their months change, too.
    """
    names = {"runs": list(runs)}
    connection.execute(f"CREATE OR REPLACE TEMP TABLE records_before AS {_RECORDS}", names)
    yield
    connection.execute(f"CREATE OR REPLACE TEMP TABLE records_after AS {_RECORDS}", names)
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE records_changed AS
        (FROM records_before EXCEPT FROM records_after)
        UNION ALL (FROM records_after EXCEPT FROM records_before)
    """)
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE touched AS
        SELECT lead_id FROM records_changed UNION SELECT unnest($edited::VARCHAR[])
        """,
        {"edited": list(edited)},
    )
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE months_before AS
        SELECT lead_id, month FROM lead_months WHERE lead_id IN (FROM touched);
        CREATE OR REPLACE TEMP TABLE months_after AS
        SELECT lead_id, CAST(date_trunc('month', min(first_action_date)) AS DATE) AS month
        FROM leads WHERE lead_id IN (FROM touched) GROUP BY lead_id;
        DELETE FROM lead_months
        WHERE lead_id IN (SELECT lead_id FROM (FROM months_before EXCEPT FROM months_after));
        INSERT INTO lead_months FROM months_after EXCEPT FROM months_before
    """)
    _raise(connection, "records_version", "SELECT month FROM records_changed")
    _raise(
        connection,
        "leads_version",
        "SELECT month FROM months_before UNION SELECT month FROM months_after",
    )
    connection.execute(
        "DROP TABLE records_before; DROP TABLE records_after; DROP TABLE records_changed; "
        "DROP TABLE touched; DROP TABLE months_before; DROP TABLE months_after"
    )


def forget_records(connection: duckdb.DuckDBPyConnection) -> None:
    """Delete all records, before all are built again."""
    connection.execute("""
        DELETE FROM leads;
        DELETE FROM lead_months;
        UPDATE lead_month_versions
        SET records_version = records_version + 1, leads_version = leads_version + 1
    """)


def _raise(connection: duckdb.DuckDBPyConnection, version: str, months: str) -> None:
    connection.execute(f"""
        INSERT INTO lead_month_versions
        SELECT DISTINCT month, 0, 0 FROM ({months})
        WHERE month NOT IN (SELECT month FROM lead_month_versions);
        UPDATE lead_month_versions SET {version} = {version} + 1 WHERE month IN ({months})
    """)
