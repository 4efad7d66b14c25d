"""What the partner tells about a lead later: submitted, contacted, sold, rejected.

A notice counts once, by what it says of which lead and when: the `id` in it may be the lead's, or another one
each time it is sent. The latest by its own time holds, whatever the order they arrive in; one without a time
of its own moves no lead back.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from leadpipe.delivery import outbox
from leadpipe.delivery.moments import moment
from leadpipe.delivery.reading import UnreadableJson, decoded
from leadpipe.errors import BadPartnerEvent

STATUSES = ("submitted", "contacted", "sold", "rejected")
_RANKS = {"submitted": 0, "contacted": 1, "sold": 2, "rejected": 2}
_LEAD_NAMES = ("npa_lead_id", "lead_id", "leadId", "leadid")
_KEY_NAMES = ("external_id", "externalId", "idempotency_key")
_OWN_NAMES = ("event_id", "eventId", "notice_id", "notification_id", "webhook_id", "id")
_TIME_NAMES = ("occurred_at", "occurredAt", "happened_at", "timestamp", "event_time")


@dataclass(frozen=True)
class PartnerEvent:
    """A notice of the partner about one lead, named by its id or by our key.

    `is_timed` says that `occurred_at` is the partner's own time, not that of its arrival.
    """

    event_id: str
    status: str
    occurred_at: datetime
    npa_lead_id: str | None
    key: str | None
    is_timed: bool = True


def read_partner_event(
    body: bytes | str, *, event_id: str | None, now: datetime, zone: str | None = None
) -> PartnerEvent:
    """A notice from a webhook's body: `{"lead_id"|"external_id": …, "status": …, "occurred_at": …}`.

    Args:
        body: JSON; may be wrapped in `data`, and the lead's id in `lead`.
        event_id: of the request (`webhook-id`), if it has one.
        now: when it arrived: the time of a notice that names none.
        zone: of times that name none (IANA).

    Raises:
        BadPartnerEvent: no JSON, no lead, or an unknown status.
    """
    try:
        content = decoded(body)
    except UnreadableJson as error:
        raise BadPartnerEvent(f"the body is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise BadPartnerEvent("the body is no JSON object")
    inner = content["data"] if isinstance(content.get("data"), dict) else content
    status = str(inner.get("status") or "").strip().lower()
    if status not in STATUSES:
        raise BadPartnerEvent(f"status {status[:40]!r} is none of {', '.join(STATUSES)}")
    lead = inner["lead"] if isinstance(inner.get("lead"), dict) else {}
    key = _first(inner, _KEY_NAMES) or _first(lead, _KEY_NAMES)
    npa_lead_id = _first(inner, _LEAD_NAMES) or _first(lead, (*_LEAD_NAMES, "id"))
    if npa_lead_id is None and key is None:
        npa_lead_id = _first(inner, ("id",))
    if npa_lead_id is None and key is None:
        raise BadPartnerEvent("no lead_id and no external_id")
    given = next(
        (place[n] for place in (inner, content) for n in _TIME_NAMES if place.get(n)), None
    )
    occurred_at = moment(given, zone) if given is not None else now
    if occurred_at is None:
        raise BadPartnerEvent("occurred_at should be an ISO 8601 time with its zone")
    own = event_id or _first(content, _OWN_NAMES) or _first(inner, _OWN_NAMES)
    what = (
        ("at", occurred_at.astimezone(UTC).isoformat())
        if given is not None
        else ("own", "" if own in {npa_lead_id, key} else own)
    )
    identity = repr((npa_lead_id or key, status, *what)).encode("utf-8", "replace")
    return PartnerEvent(
        event_id=hashlib.sha256(identity).hexdigest()[:40],
        status=status,
        occurred_at=occurred_at,
        npa_lead_id=npa_lead_id,
        key=key,
        is_timed=given is not None,
    )


def _first(content: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = content.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()[:200]
    return None


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
        "SELECT id, partner_status_at, partner_status, state FROM lead_deliveries "
        "WHERE npa_lead_id = $npa OR idempotency_key IN ($key, $npa) "
        "ORDER BY idempotency_key = $key DESC, id LIMIT 1",
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
    id_, known_at, status, state = found
    if state in {"unknown", "retrying", "sent"}:  # nobody knew, and the partner says that it has it
        has_it = outbox.Outcome(id_, "succeeded", "found", now, npa_lead_id=event.npa_lead_id)
        outbox.record(connection, [has_it])
        status = None
    if status is not None and not _is_later(event, status, known_at):
        return "late"
    connection.execute(
        "UPDATE lead_deliveries SET partner_status = $status, partner_status_at = $at, "
        "npa_lead_id = coalesce(npa_lead_id, $npa) WHERE id = $id",
        {"status": event.status, "at": event.occurred_at, "npa": event.npa_lead_id, "id": id_},
    )
    return "applied"


def _is_later(event: PartnerEvent, status: str, known_at: datetime | None) -> bool:
    """Whether a notice tells more than what is known of its lead."""
    is_further = _RANKS[event.status] >= _RANKS.get(status, 0)
    # `submitted` is also what we entered ourselves, by our clock: it never holds back a notice.
    if status == "submitted" or known_at is None:
        return is_further
    if event.status == "submitted":
        return False
    if not event.is_timed or event.occurred_at == known_at:
        return is_further
    return event.occurred_at > known_at


def settle_partner_events(connection: duckdb.DuckDBPyConnection) -> int:
    """Apply kept notices whose leads have become known by the partner's id; how many leads moved."""
    known = connection.execute("""
        SELECT id, e.status, e.occurred_at
        FROM lead_deliveries
        JOIN (
            SELECT npa_lead_id, max(occurred_at) AS occurred_at,
                   arg_max(status, epoch_us(occurred_at) * 4
                           + CASE status WHEN 'submitted' THEN 0 WHEN 'contacted' THEN 1 ELSE 2 END)
                       AS status
            FROM partner_events WHERE id IS NULL AND npa_lead_id IS NOT NULL GROUP BY npa_lead_id
        ) e USING (npa_lead_id)
        WHERE coalesce(partner_status, 'submitted') = 'submitted' AND e.status <> 'submitted'
    """).fetchall()
    if known:
        connection.execute(
            """
            UPDATE lead_deliveries SET partner_status = e.status, partner_status_at = e.occurred_at
            FROM (
                SELECT unnest($ids::BIGINT[]) AS id, unnest($statuses::VARCHAR[]) AS status,
                       unnest($moments::TIMESTAMPTZ[]) AS occurred_at
            ) e
            WHERE e.id = lead_deliveries.id
            """,
            {
                "ids": [id_ for id_, _, _ in known],
                "statuses": [status for _, status, _ in known],
                "moments": [occurred_at for _, _, occurred_at in known],
            },
        )
    return len(known)
