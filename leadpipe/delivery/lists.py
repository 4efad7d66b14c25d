"""What people look at: failed and succeeded leads, rates, reports; from the published tables, masked."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from leadpipe.delivery.lead import FIELDS
from leadpipe.delivery.masking import masked
from leadpipe.errors import NotPublished
from leadpipe.published import reading
from leadpipe.warehouse import Rows

EXPORT_COLUMNS = ("id", "submitted_at", "channel", "session_id", *FIELDS)


def failed_leads(
    folder: Path,
    *,
    is_all: bool = False,
    lead_id: int | None = None,
    show_pii: bool = False,
    limit: int = 1_000,
) -> Rows:
    """Failed leads, the unresolved ones unless `is_all`, the oldest first."""
    return _with_leads(
        reading.query(
            folder,
            """
            SELECT f.id, f.created_at, f.channel, f.session_id, d.state, f.retry_count, f.last_retry_at,
                   f.next_retry_at, regexp_extract(f.error_message, '[^\n]*$') AS error,
                   f.resolved, f.lead_data
            FROM failed_leads f JOIN lead_deliveries d USING (id)
            WHERE ($all OR NOT f.resolved) AND ($id IS NULL OR f.id = $id) ORDER BY f.id LIMIT $limit
            """,
            {"all": is_all, "id": lead_id, "limit": limit},
        ),
        show_pii=show_pii,
    )


def succeeded_leads(
    folder: Path,
    *,
    since: datetime,
    channel: str | None = None,
    phone: str | None = None,
    is_without_response: bool = False,
    show_pii: bool = False,
    limit: int = 1_000_000,
) -> Rows:
    """Delivered leads, the latest first; `phone` as it was given, or in E.164."""
    digits = "".join(c for c in phone or "" if c.isdigit()) or None
    return _with_leads(
        reading.query(
            folder,
            """
            SELECT s.id, s.submitted_at, s.channel, s.session_id, s.npa_lead_id, d.partner_status,
                   d.partner_status_at, d.attempts, s.npa_response IS NOT NULL AS has_response, s.lead_data
            FROM succeeded_leads s JOIN lead_deliveries d USING (id)
            WHERE s.submitted_at >= $since AND ($channel IS NULL OR s.channel = $channel)
                AND ($digits IS NULL
                     OR regexp_replace(s.lead_data ->> '$.phone', '\\D', '', 'g') = $digits)
                AND (NOT $bare OR s.npa_response IS NULL)
            ORDER BY s.submitted_at DESC, s.id DESC LIMIT $limit
            """,
            {
                "since": since,
                "channel": channel,
                "digits": digits,
                "bare": is_without_response,
                "limit": limit,
            },
        ),
        show_pii=show_pii,
    )


def attempts(folder: Path, lead_id: int) -> Rows:
    """The history of one lead."""
    return reading.query(
        folder,
        "SELECT happened_at, attempt, outcome, http_status, message FROM delivery_attempts "
        "WHERE id = $id ORDER BY happened_at, attempt",
        {"id": lead_id},
    )


def rates(folder: Path, *, since: datetime) -> Rows:
    """Per channel: leads, delivered, failed, on their way, success rate in percent."""
    return reading.query(
        folder,
        """
        SELECT coalesce(channel, 'none') AS channel, count(*) AS leads,
               count(*) FILTER (state = 'succeeded') AS succeeded,
               count(*) FILTER (state = 'failed') AS failed,
               count(*) FILTER (state = 'retrying') AS retrying,
               count(*) FILTER (state = 'unknown') AS unknown,
               count(*) FILTER (state IN ('pending', 'sent')) AS waiting,
               round(100.0 * count(*) FILTER (state = 'succeeded')
                     / nullif(count(*) FILTER (state <> 'pending'), 0), 1)::DOUBLE AS success_rate
        FROM lead_deliveries WHERE taken_in_at >= $since GROUP BY ALL ORDER BY ALL
        """,
        {"since": since},
    )


def by_day(folder: Path, *, since: datetime) -> Rows:
    """Delivered leads by day (UTC) and channel."""
    return reading.query(
        folder,
        "SELECT CAST(submitted_at AS DATE) AS date, channel, count(*) AS count FROM succeeded_leads "
        "WHERE submitted_at >= $since GROUP BY ALL ORDER BY date DESC, channel",
        {"since": since},
    )


def breaker(folder: Path) -> str | None:
    """Why sending is stopped and until when; None if it is not."""
    rows = reading.query(
        folder, "SELECT state, reason, until FROM breaker_changes ORDER BY changed_at DESC LIMIT 1"
    ).rows
    if not rows or rows[0][0] != "open":
        return None
    _, reason, until = rows[0]
    return f"{reason}; next trial after {until:%Y-%m-%d %H:%M:%S} UTC"


def last_report(folder: Path) -> tuple[dict[str, object] | None, Rows]:
    """The latest reconciliation and its findings."""
    reports = reading.query(
        folder, "SELECT * FROM reconciliations ORDER BY made_at DESC LIMIT 1"
    ).as_dicts()
    findings = reading.query(
        folder,
        "SELECT kind, id, npa_lead_id, fields FROM reconciliation_findings "
        "WHERE report_id = $id ORDER BY kind, id, npa_lead_id LIMIT 1000",
        {"id": reports[0]["report_id"] if reports else None},
    )
    return (reports[0] if reports else None), findings


def due_leads(folder: Path, *, now: datetime) -> int:
    """How many leads wait for a delivery; 0 before anything was published."""
    try:
        rows = reading.query(
            folder,
            "SELECT count(*) FROM lead_deliveries WHERE state = 'sent' "
            "OR state IN ('pending', 'retrying', 'unknown') AND next_attempt_at <= $now",
            {"now": now},
        ).rows
    except NotPublished:
        return 0
    return int(str(rows[0][0]))


def _with_leads(rows: Rows, *, show_pii: bool) -> Rows:
    """The last column, a lead's data, as columns of its own; masked unless asked for."""
    index = rows.columns.index("lead_data")
    wide = []
    for row in rows.rows:
        data: Mapping[str, Any] = json.loads(str(row[index]))
        shown = data if show_pii else masked(data)
        wide.append((*row[:index], *(_cut(shown.get(name)) for name in FIELDS)))
    return Rows((*rows.columns[:index], *FIELDS), tuple(wide))


def _cut(value: object) -> object:
    text = str(value) if isinstance(value, dict | list) else value
    return text if not isinstance(text, str) or len(text) <= 200 else f"{text[:199]}…"  # noqa: PLR2004
