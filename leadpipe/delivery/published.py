"""What readers see of deliveries: states, attempts, ends, comparisons and alerts.

What grows with every lead is cut into months, so that a sync writes those that it changed. Deliveries are
written in many places and in two kinds of databases, so a month's version is a checksum of its rows: to read
them costs a tenth of writing them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from leadpipe.warehouse import Published


@dataclass(frozen=True)
class _Monthly:
    """A table in months.

    Args:
        query: its rows.
        at: the time that says a row's month, and never changes.
        told_by: columns of which one changes whenever the row does.
        order: of the rows.
    """

    query: str
    at: str
    told_by: str
    order: str


_MONTHLY = {
    # The lead itself is in succeeded_leads and failed_leads.
    "lead_deliveries": _Monthly(
        "SELECT * EXCLUDE (lead_data, event_uuid) FROM lead_deliveries",
        at="taken_in_at",
        told_by="* EXCLUDE (lead_data, event_uuid)",
        order="id",
    ),
    "delivery_attempts": _Monthly(
        "SELECT * FROM delivery_attempts",
        at="happened_at",
        told_by="*",
        order="id, happened_at, attempt, outcome <> 'sent', outcome, http_status, message",
    ),
    # What is JSON is a text where PostgreSQL has it. The lead stays as it came in: only its row goes.
    "succeeded_leads": _Monthly(
        "SELECT * REPLACE (CAST(lead_data AS JSON) AS lead_data, CAST(npa_response AS JSON) AS npa_response)"
        " FROM succeeded_leads",
        at="submitted_at",
        told_by="* EXCLUDE (lead_data)",
        order="id",
    ),
    "failed_leads": _Monthly(
        "SELECT * REPLACE (CAST(lead_data AS JSON) AS lead_data) FROM failed_leads",
        at="created_at",
        told_by="* EXCLUDE (lead_data)",
        order="id",
    ),
    "partner_events": _Monthly(
        "SELECT * FROM partner_events",
        at="received_at",
        told_by="*",
        order="received_at, event_id",
    ),
}
_QUERIES = {
    "breaker_changes": "SELECT * FROM breaker_changes ORDER BY changed_at",
    "reconciliations": "SELECT * FROM reconciliations ORDER BY made_at",
    "reconciliation_findings": """
        SELECT * FROM reconciliation_findings ORDER BY made_at, report_id, kind, id, npa_lead_id
    """,
    "lead_settlements": "SELECT * FROM lead_settlements ORDER BY decided_at, id",
    "delivery_alerts": "SELECT * FROM delivery_alerts ORDER BY told_at, rule",
}
# Days by number: a calendar for each row would cost five times as much.
_VERSIONS = """
    SELECT CAST(date_trunc('month', DATE '1970-01-01' + CAST(day AS INTEGER)) AS DATE) AS month,
           concat_ws(' ', sum(told_rows), sum(checksum))
    FROM (
        SELECT day, count(*) AS told_rows, sum(hash(told)) AS checksum
        FROM (SELECT epoch_us({at}) // 86_400_000_000 AS day, told
              FROM (SELECT {told_by} FROM {table}) AS told)
        GROUP BY day
    )
    GROUP BY month ORDER BY month
"""
_OF_MONTH = """
    {query} WHERE {at} >= $month::DATE AND {at} < $month::DATE + INTERVAL 1 MONTH ORDER BY {order}
"""
_NO_MONTH = date(1, 1, 1)
_PERSONAL = ("succeeded_leads", "failed_leads")
TABLES = (*_MONTHLY, *_QUERIES)
ASSETS = ()


def published(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Iterator[Published]:
    """The files to publish; a month whose rows did not change is linked."""
    del now
    for name, table in _MONTHLY.items():
        query = _OF_MONTH.format(query=table.query, at=table.at, order=table.order)
        for month, version in _versions(connection, name, table):
            part = "0000-00" if month == _NO_MONTH else f"{month:%Y-%m}"
            yield Published(
                f"{name}/{part}",
                query,
                version=version,
                parameters={"month": month},
                is_personal=name in _PERSONAL,
            )
    for name, query in _QUERIES.items():
        yield Published(name, query)


def _versions(
    connection: duckdb.DuckDBPyConnection, name: str, table: _Monthly
) -> Sequence[tuple[date, str]]:
    """Each month that has rows with its version, after one that never has any."""
    months = connection.execute(
        _VERSIONS.format(table=name, at=table.at, told_by=table.told_by)
    ).fetchall()
    return [(_NO_MONTH, "0"), *months]
