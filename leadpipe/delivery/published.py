"""What readers see of deliveries: states, attempts, ends, comparisons and alerts."""

from collections.abc import Iterator
from datetime import datetime

import duckdb

from leadpipe.warehouse import Published

_QUERIES = {
    # The lead itself is in succeeded_leads and failed_leads.
    "lead_deliveries": "SELECT * EXCLUDE (lead_data, event_uuid) FROM lead_deliveries ORDER BY id",
    "delivery_attempts": "SELECT * FROM delivery_attempts ORDER BY id, happened_at, attempt",
    # What is JSON is a text where PostgreSQL has it.
    "succeeded_leads": """
        SELECT * REPLACE (CAST(lead_data AS JSON) AS lead_data, CAST(npa_response AS JSON) AS npa_response)
        FROM succeeded_leads ORDER BY id
    """,
    "failed_leads": """
        SELECT * REPLACE (CAST(lead_data AS JSON) AS lead_data) FROM failed_leads ORDER BY id
    """,
    "breaker_changes": "SELECT * FROM breaker_changes ORDER BY changed_at",
    "partner_events": "SELECT * FROM partner_events ORDER BY received_at, event_id",
    "reconciliations": "SELECT * FROM reconciliations ORDER BY made_at",
    "reconciliation_findings": """
        SELECT * FROM reconciliation_findings ORDER BY made_at, report_id, kind, id, npa_lead_id
    """,
    "lead_settlements": "SELECT * FROM lead_settlements ORDER BY decided_at, id",
    "delivery_alerts": "SELECT * FROM delivery_alerts ORDER BY told_at, rule",
}
_PERSONAL = ("succeeded_leads", "failed_leads")
TABLES = tuple(_QUERIES)
ASSETS = ()


def published(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Iterator[Published]:
    """The files to publish."""
    del connection, now
    for name, query in _QUERIES.items():
        yield Published(name, query, is_personal=name in _PERSONAL)
