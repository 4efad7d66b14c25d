"""What the partner tells about a lead later: submitted, contacted, sold, rejected.

A notice counts once, by its id; the latest by its own time holds, whatever the order they arrive in.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from leadpipe.delivery.partner import moment
from leadpipe.errors import BadPartnerEvent

STATUSES = ("submitted", "contacted", "sold", "rejected")


@dataclass(frozen=True)
class PartnerEvent:
    """A notice of the partner about one lead, named by its id or by our key."""

    event_id: str
    status: str
    occurred_at: datetime
    npa_lead_id: str | None
    key: str | None


def read_partner_event(body: bytes, *, event_id: str | None, now: datetime) -> PartnerEvent:
    """A notice from a webhook's body: `{"lead_id"|"external_id": …, "status": …, "occurred_at": …}`.

    Args:
        body: JSON; may be wrapped in `data`.
        event_id: of the request (`webhook-id`); else the body's `id`, else the body itself is the id.
        now: when it arrived: the time of a notice that names none.

    Raises:
        BadPartnerEvent: no JSON, no lead, or an unknown status.
    """
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise BadPartnerEvent("the body is not JSON") from None
    if not isinstance(content, dict):
        raise BadPartnerEvent("the body is no JSON object")
    inner = content["data"] if isinstance(content.get("data"), dict) else content
    status = str(inner.get("status") or "").lower()
    if status not in STATUSES:
        raise BadPartnerEvent(f"status {status[:40]!r} is none of {', '.join(STATUSES)}")
    npa_lead_id = inner.get("npa_lead_id") or inner.get("lead_id")
    key = inner.get("external_id")
    if not npa_lead_id and not key:
        raise BadPartnerEvent("no lead_id and no external_id")
    given = inner.get("occurred_at") or content.get("timestamp")
    occurred_at = moment(given) if given else now
    if occurred_at is None:
        raise BadPartnerEvent("occurred_at should be an ISO 8601 time with its zone")
    own_id = event_id or content.get("event_id") or content.get("id")
    return PartnerEvent(
        event_id=str(own_id or hashlib.sha256(body).hexdigest())[:200],
        status=status,
        occurred_at=occurred_at,
        npa_lead_id=str(npa_lead_id)[:200] if npa_lead_id else None,
        key=str(key)[:200] if key else None,
    )


def apply_partner_event(
    connection: duckdb.DuckDBPyConnection, event: PartnerEvent, *, now: datetime
) -> str:
    """Enter a notice and move its lead: `applied`, `late`, `duplicate` or `unknown`.

    Call it in a transaction.

    A notice about a lead that is not known (yet) is kept, and counts when the lead is found by
    `settle_partner_events`.
    """
    if connection.execute(
        "SELECT 1 FROM partner_events WHERE event_id = ?", [event.event_id]
    ).fetchone():
        return "duplicate"
    found = connection.execute(
        "SELECT id, partner_status_at, partner_status FROM lead_deliveries "
        "WHERE npa_lead_id = $npa OR idempotency_key = $key ORDER BY id LIMIT 1",
        {"npa": event.npa_lead_id, "key": event.key},
    ).fetchone()
    connection.execute(
        "INSERT INTO partner_events VALUES (?, ?, ?, ?, ?, ?)",
        [
            *(event.event_id, found[0] if found else None, event.npa_lead_id),
            *(event.status, event.occurred_at, now),
        ],
    )
    if found is None:
        return "unknown"
    id_, known_at, status = found
    # `submitted` is also what we entered ourselves, by our clock: it never holds back a notice.
    if known_at is not None and status != "submitted" and event.occurred_at < known_at:
        return "late"
    if event.status == "submitted" and status not in {None, "submitted"}:
        return "late"
    connection.execute(
        "UPDATE lead_deliveries SET partner_status = $status, partner_status_at = $at, "
        "npa_lead_id = coalesce(npa_lead_id, $npa) WHERE id = $id",
        {"status": event.status, "at": event.occurred_at, "npa": event.npa_lead_id, "id": id_},
    )
    return "applied"


def settle_partner_events(connection: duckdb.DuckDBPyConnection) -> int:
    """Apply kept notices whose leads have become known by the partner's id; how many leads moved."""
    return len(
        connection.execute(
            """
            UPDATE lead_deliveries SET partner_status = e.status, partner_status_at = e.occurred_at
            FROM (
                SELECT npa_lead_id, arg_max(status, occurred_at) AS status,
                       max(occurred_at) AS occurred_at
                FROM partner_events WHERE id IS NULL AND npa_lead_id IS NOT NULL GROUP BY npa_lead_id
            ) e
            WHERE e.npa_lead_id = lead_deliveries.npa_lead_id
                AND coalesce(partner_status, 'submitted') = 'submitted' AND e.status <> 'submitted'
            RETURNING lead_deliveries.id
            """
        ).fetchall()
    )
