"""Which months of leads changed: what is published of the others stays as it is.

A record belongs to the month of its own first action, a lead to that of the first action of all its records.
Versions of months only rise. In which month a lead was is asked of a filter a month
(`leadpipe/warehouse/filters.py`), not of all leads. What the rows are is the business of `leads.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date

import duckdb

from leadpipe.events.run_days import of_runs
from leadpipe.warehouse import (
    Hashes,
    KeyFilter,
    Keys,
    forget_filters,
    hashes_of,
    look_through,
    open_filters,
    remember_keys,
)

_NAME = "leads-"
_UNSETTLED = """
    SELECT hash(lead_id) AS hash FROM touched
    WHERE lead_id NOT IN (SELECT lead_id FROM months_before)
"""
_OF_MONTH = "SELECT lead_id, month FROM lead_months WHERE month = DATE '{}'"

_RECORDS = f"""
    SELECT run_id, lead_id, CAST(date_trunc('month', first_action_date) AS DATE) AS month,
           hash(leads) AS content
    FROM leads WHERE {of_runs("first_action_date")}
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
    known = _months_before(connection)
    # Records that came tell a lead's month without a look at the others. One that went may have been the
    # first: then the others are looked at, none of which is older than the lead's month was.
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE leads_that_lost AS
        SELECT lead_id, month FROM (
            SELECT run_id, lead_id, month FROM records_before EXCEPT
            SELECT run_id, lead_id, month FROM records_after
        );
        CREATE OR REPLACE TEMP TABLE months_after AS
        SELECT lead_id, min(month) AS month FROM (
            SELECT lead_id, month FROM months_before
            UNION ALL SELECT lead_id, month FROM records_after
        )
        WHERE lead_id IN (FROM touched) AND lead_id NOT IN (SELECT lead_id FROM leads_that_lost)
        GROUP BY lead_id
        UNION ALL
        SELECT lead_id, CAST(date_trunc('month', min(first_action_date)) AS DATE)
        FROM leads
        WHERE lead_id IN (SELECT lead_id FROM leads_that_lost)
          AND first_action_date >= (
              SELECT min(month) FROM (
                  FROM months_before UNION ALL SELECT lead_id, month FROM records_after
              ) WHERE lead_id IN (SELECT lead_id FROM leads_that_lost)
          )
        GROUP BY lead_id;
        CREATE OR REPLACE TEMP TABLE leads_moved AS
        SELECT lead_id FROM (FROM months_before EXCEPT FROM months_after);
        DELETE FROM lead_months
        WHERE month IN (SELECT month FROM months_before WHERE lead_id IN (FROM leads_moved))
          AND lead_id IN (FROM leads_moved);
        CREATE OR REPLACE TEMP TABLE leads_come AS FROM months_after EXCEPT FROM months_before;
        INSERT INTO lead_months FROM leads_come
    """)
    _remember(connection, known)
    _raise(connection, "records_version", "SELECT month FROM records_changed")
    _raise(
        connection,
        "leads_version",
        "SELECT month FROM months_before UNION SELECT month FROM months_after",
    )
    connection.execute(
        "DROP TABLE records_before; DROP TABLE records_after; DROP TABLE records_changed; "
        "DROP TABLE touched; DROP TABLE months_before; DROP TABLE months_after; "
        "DROP TABLE leads_that_lost; DROP TABLE leads_moved; DROP TABLE leads_come"
    )


def _months_before(connection: duckdb.DuckDBPyConnection) -> dict[date, KeyFilter]:
    """Make `months_before`: the months of leads in `touched`, of those that have one; the months' filters."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE months_before (lead_id VARCHAR NOT NULL, month DATE NOT NULL)"
    )
    months = _listed_months(connection, "SELECT month FROM lead_month_versions")
    known = open_filters(connection, [_keys(month) for month in months])
    if known is None:
        connection.execute(
            "INSERT INTO months_before "
            "SELECT lead_id, month FROM lead_months WHERE lead_id IN (FROM touched)"
        )
        return {}

    def look(each: KeyFilter, hashes: Hashes) -> Hashes:
        connection.execute(
            f"INSERT INTO months_before {_OF_MONTH.format(_month_of(each))} AND lead_id IN ("
            "SELECT lead_id FROM touched WHERE hash(lead_id) IN (SELECT unnest($hashes::UBIGINT[])))",
            {"hashes": hashes.tolist()},
        )
        return hashes_of(connection, _UNSETTLED)

    look_through(known[::-1], hashes_of(connection, _UNSETTLED), look)
    return dict(zip(months, known, strict=True))


def _remember(connection: duckdb.DuckDBPyConnection, known: Mapping[date, KeyFilter]) -> None:
    """Let filters have the leads that came to their months; that of a new month is made when it is asked."""
    for month in _listed_months(connection, "SELECT month FROM leads_come"):
        if month in known:
            come = f"SELECT hash(lead_id) AS hash FROM leads_come WHERE month = DATE '{month}'"
            remember_keys(connection, known[month], hashes_of(connection, come))


def _listed_months(connection: duckdb.DuckDBPyConnection, query: str) -> list[date]:
    return [
        month
        for (month,) in connection.execute(
            f"SELECT DISTINCT month FROM ({query}) ORDER BY month"
        ).fetchall()
    ]


def _keys(month: date) -> Keys:
    query = f"SELECT hash(lead_id) AS hash FROM ({_OF_MONTH.format(month)})"
    return Keys(f"{_NAME}{month:%Y-%m}", lambda: [query])


def _month_of(known: KeyFilter) -> date:
    return date.fromisoformat(f"{known.keys.name.removeprefix(_NAME)}-01")


def forget_records(connection: duckdb.DuckDBPyConnection) -> None:
    """Delete all records, before all are built again."""
    forget_filters(connection, _NAME)
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
