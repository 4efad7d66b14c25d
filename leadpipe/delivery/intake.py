"""How leads get into the outbox: from `lead_captured` events and by direct hand-over.

A lead is in it once, whatever comes twice: the key is made of the conversation session.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from leadpipe.delivery.lead import Lead, content_id, read_lead
from leadpipe.warehouse import read_sql

_BATCH = 10_000
_ROWS = (
    '[{"key": "VARCHAR", "channel": "VARCHAR", "session_id": "VARCHAR", "lead_data": "VARCHAR", '
    '"problem": "VARCHAR", "number": "INTEGER", "event_uuid": "UUID", "captured_at": "TIMESTAMPTZ"}]'
)


@dataclass(frozen=True)
class IntakeReport:
    """What came in: new leads, copies of known ones, and new ones that cannot be delivered as they are."""

    new: int = 0
    duplicate: int = 0
    invalid: int = 0

    def __add__(self, other: "IntakeReport") -> "IntakeReport":
        return IntakeReport(
            self.new + other.new, self.duplicate + other.duplicate, self.invalid + other.invalid
        )


def take_in_events(
    connection: duckdb.DuckDBPyConnection, *, region: str, now: datetime
) -> IntakeReport:
    """Put the leads of `lead_captured` events that are not in the outbox yet there; call it in a transaction.

    Args:
        connection: of the warehouse.
        region: the country of phone numbers without a country code.
        now: when (UTC).
    """
    rows = connection.execute(read_sql("delivery", "captured_leads.sql")).fetchall()
    leads: list[tuple[Lead, str | None, datetime]] = []
    for event_uuid, captured_at, properties in rows:
        lead = read_lead(_object(properties), fallback_id=str(event_uuid), region=region)
        leads.append((lead, str(event_uuid), captured_at))
    return _add(connection, leads, source="event", now=now)


def take_in_leads(
    connection: duckdb.DuckDBPyConnection,
    items: Iterable[Mapping[str, Any]],
    *,
    source: str,
    region: str,
    now: datetime,
) -> tuple[IntakeReport, list[str]]:
    """Put leads that were handed over directly into the outbox; call it in a transaction.

    Returns:
        What came in, and the key of each lead.
    """
    leads = [read_lead(item, fallback_id=content_id(item), region=region) for item in items]
    report = _add(connection, [(lead, None, now) for lead in leads], source=source, now=now)
    return report, [lead.key for lead in leads]


def _object(properties: str | None) -> dict[str, Any]:
    try:
        content = json.loads(properties or "{}")
    except (ValueError, RecursionError):
        return {"unreadable": properties}
    return content if isinstance(content, dict) else {"unreadable": properties}


def _add(
    connection: duckdb.DuckDBPyConnection,
    leads: list[tuple[Lead, str | None, datetime]],
    *,
    source: str,
    now: datetime,
) -> IntakeReport:
    """Add leads whose keys are new, the first copy of each; invalid ones go to `failed_leads` at once."""
    report = IntakeReport()
    for start in range(0, len(leads), _BATCH):
        report += _add_batch(connection, leads[start : start + _BATCH], source=source, now=now)
    return report


def _add_batch(
    connection: duckdb.DuckDBPyConnection,
    leads: list[tuple[Lead, str | None, datetime]],
    *,
    source: str,
    now: datetime,
) -> IntakeReport:
    first: dict[str, dict[str, object]] = {}
    for lead, event_uuid, captured_at in leads:
        first.setdefault(
            lead.key,
            {
                "key": lead.key,
                "channel": lead.channel,
                "session_id": lead.session_id,
                "lead_data": lead.data_json,
                "problem": lead.problem,
                "number": len(first) + 1,
                "event_uuid": event_uuid,
                "captured_at": captured_at.isoformat(),
            },
        )
    added = connection.execute(
        f"""
        INSERT INTO lead_deliveries BY NAME
        WITH given AS (
            SELECT unnest(from_json($rows, '{_ROWS}'), recursive := true)
        ),
        fresh AS (
            SELECT * EXCLUDE (number), row_number() OVER (ORDER BY number) AS place
            FROM given WHERE key NOT IN (SELECT idempotency_key FROM lead_deliveries)
        )
        SELECT (SELECT coalesce(max(id), 0) FROM lead_deliveries) + place AS id,
               key AS idempotency_key,
               CASE WHEN problem IS NULL THEN 'pending' ELSE 'failed' END AS state,
               channel, session_id, lead_data, $source AS source, event_uuid, captured_at,
               $now AS taken_in_at, 0 AS attempts,
               CASE WHEN problem IS NULL THEN CAST($now AS TIMESTAMPTZ) END AS next_attempt_at
        FROM fresh
        RETURNING id, idempotency_key, state
        """,
        {"rows": json.dumps(list(first.values())), "source": source, "now": now},
    ).fetchall()
    invalid = [(id_, str(first[key]["problem"])) for id_, key, state in added if state == "failed"]
    for id_, problem in invalid:
        connection.execute(
            """
            INSERT INTO failed_leads
            SELECT id, lead_data, $problem, channel, session_id, 0, NULL, $now, false, NULL, idempotency_key
            FROM lead_deliveries WHERE id = $id
            """,
            {"id": id_, "problem": problem, "now": now},
        )
        connection.execute(
            "INSERT INTO delivery_attempts VALUES ($id, 0, 'invalid', NULL, $problem, $now)",
            {"id": id_, "problem": problem, "now": now},
        )
    return IntakeReport(len(added), len(leads) - len(added), len(invalid))
