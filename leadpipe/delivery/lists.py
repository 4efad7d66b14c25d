"""What people look at: failed and succeeded leads, rates, reports; from the published tables, masked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from leadpipe.delivery.lead import FIELDS, normal_email, normal_phone
from leadpipe.delivery.masking import masked, scrubbed
from leadpipe.delivery.reading import UnreadableJson, decoded
from leadpipe.errors import ConfigurationError, NotPublished
from leadpipe.published import reading
from leadpipe.warehouse import Rows

_ALL = 1_000_000_000
# Who cannot be this person; who is, is decided by `Person.is_in`. Letters and other digits may be a number.
_MAY_BE = """
    ($tail IS NULL OR NOT regexp_full_match(coalesce({lead} ->> '$.phone', ''), '[0-9 ().+/-]*')
        OR contains(regexp_replace({lead} ->> '$.phone', '[^0-9]', '', 'g'), $tail))
    AND ($email IS NULL OR NOT regexp_full_match(coalesce({lead} ->> '$.email', ''), '[!-~ ]*')
        OR contains(lower({lead} ->> '$.email'), $email))
"""
_TAIL_DIGITS = 6
EXPORT_COLUMNS = ("id", "submitted_at", "channel", "session_id", *FIELDS)


@dataclass(frozen=True)
class Person:
    """Whom to look for, by phone or email in any spelling."""

    phone: str | None = None
    email: str | None = None

    @property
    def traits(self) -> dict[str, str | None]:
        """What a query can sort others out by."""
        return {"tail": self.phone and self.phone[-_TAIL_DIGITS:], "email": self.email}

    def is_in(self, data: Mapping[str, Any], region: str) -> bool:
        """Whether a lead is this person's."""
        return (self.phone is None or normal_phone(data.get("phone"), region) == self.phone) and (
            self.email is None or normal_email(data.get("email")) == self.email
        )


def person(phone: str | None, email: str | None, region: str) -> Person | None:
    """Whom a person looks for; None if for nobody in particular.

    Raises:
        ConfigurationError: what was given is no phone number, or no email address.
    """
    if phone is None and email is None:
        return None
    number = None if phone is None else normal_phone(phone, region)
    address = None if email is None else normal_email(email)
    if phone is not None and number is None:
        raise ConfigurationError(
            f"{phone!r} is no phone number ({region}); write it as +15551234567, or as it is dialled there"
        )
    if email is not None and (address is None or "@" not in address):
        raise ConfigurationError(f"{email!r} is no email address")
    return Person(number, address)


def failed_leads(
    folder: Path,
    *,
    is_all: bool = False,
    lead_id: int | None = None,
    who: Person | None = None,
    region: str = "US",
    show_pii: bool = False,
    limit: int = 1_000,
) -> Rows:
    """Failed leads, the unresolved ones unless `is_all`, the oldest first."""
    return _with_leads(
        reading.query(
            folder,
            f"""
            SELECT f.id, f.created_at, f.channel, f.session_id, d.state, f.retry_count, f.last_retry_at,
                   f.next_retry_at, regexp_extract(f.error_message, '[^\n]*$') AS error,
                   f.resolved, f.lead_data
            FROM failed_leads f JOIN lead_deliveries d USING (id)
            WHERE ($all OR NOT f.resolved) AND ($id IS NULL OR f.id = $id)
                AND {_MAY_BE.format(lead="f.lead_data")}
            ORDER BY f.id LIMIT $limit
            """,
            {
                "all": is_all,
                "id": lead_id,
                "limit": limit if who is None else _ALL,
                **(who or Person()).traits,
            },
        ),
        who=who,
        region=region,
        limit=limit,
        show_pii=show_pii,
    )


def succeeded_leads(
    folder: Path,
    *,
    since: datetime,
    channel: str | None = None,
    who: Person | None = None,
    region: str = "US",
    is_without_response: bool = False,
    show_pii: bool = False,
    limit: int = _ALL,
) -> Rows:
    """Delivered leads, the latest first."""
    return _with_leads(
        reading.query(
            folder,
            f"""
            SELECT s.id, s.submitted_at, s.channel, s.session_id, s.npa_lead_id, d.partner_status,
                   d.partner_status_at, d.attempts, s.npa_response IS NOT NULL AS has_response, s.lead_data
            FROM succeeded_leads s JOIN lead_deliveries d USING (id)
            WHERE s.submitted_at >= $since AND ($channel IS NULL OR s.channel = $channel)
                AND (NOT $bare OR s.npa_response IS NULL) AND {_MAY_BE.format(lead="s.lead_data")}
            ORDER BY s.submitted_at DESC, s.id DESC LIMIT $limit
            """,
            {
                "since": since,
                "channel": channel,
                "bare": is_without_response,
                "limit": limit if who is None else _ALL,
                **(who or Person()).traits,
            },
        ),
        who=who,
        region=region,
        limit=limit,
        show_pii=show_pii,
    )


def never_sent(folder: Path) -> Rows:
    """Unresolved failed leads for which no request was made, with their data in full: not for showing."""
    return reading.query(
        folder,
        """
        SELECT f.id, f.channel, f.session_id, f.lead_data
        FROM failed_leads f JOIN lead_deliveries d USING (id)
        WHERE NOT f.resolved AND d.state = 'failed' AND d.attempts = 0 ORDER BY f.id
        """,
    )


def attempts(folder: Path, lead_id: int) -> Rows:
    """The history of one lead."""
    return reading.query(
        folder,
        "SELECT happened_at, attempt, outcome, http_status, message FROM delivery_attempts "
        "WHERE id = $id ORDER BY happened_at, attempt, outcome <> 'sent'",
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
               count(*) FILTER (state = 'given_up') AS given_up,
               round(100.0 * count(*) FILTER (state = 'succeeded')
                     / nullif(count(*) FILTER (state NOT IN ('pending', 'given_up')), 0), 1)::DOUBLE
                   AS success_rate
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
        "SELECT kind, id, npa_lead_id, fields, reason FROM reconciliation_findings "
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


def _with_leads(rows: Rows, *, who: Person | None, region: str, limit: int, show_pii: bool) -> Rows:
    """The last column, a lead's data, as columns of its own; masked unless asked for."""
    index = rows.columns.index("lead_data")
    # Conversations by SMS are often named by the number; older versions kept a partner's words as they were.
    said = [rows.columns.index(name) for name in ("session_id", "error") if name in rows.columns]
    wide: list[tuple[object, ...]] = []
    for row in rows.rows:
        data = _data(str(row[index]))
        if who is not None and not who.is_in(data, region):
            continue
        if len(wide) == limit:
            break
        cells = list(row[:index])
        for place in said if not show_pii else ():
            if cells[place] is not None:
                cells[place] = scrubbed(str(cells[place]), data)
        shown = data if show_pii else masked(data)
        wide.append((*cells, *(_cut(shown.get(name)) for name in FIELDS)))
    return Rows((*rows.columns[:index], *FIELDS), tuple(wide))


def _data(text: str) -> Mapping[str, Any]:
    try:
        content = decoded(text)
    except UnreadableJson:
        return {}
    return content if isinstance(content, dict) else {}


def _cut(value: object) -> object:
    text = str(value) if isinstance(value, dict | list) else value
    return text if not isinstance(text, str) or len(text) <= 200 else f"{text[:199]}…"  # noqa: PLR2004
