"""How leads get into the outbox: from `lead_captured` events and by direct hand-over.

A lead is in it once, whatever comes twice: the key is made of the conversation session. One that cannot be
read or stored is in it with its reason, and keeps none of the others back.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from leadpipe.delivery.lead import (
    FIELDS,
    Lead,
    content_id,
    read_lead,
    text_id,
    unreadable_lead,
)
from leadpipe.delivery.outbox import BROKEN_BY_DATA
from leadpipe.delivery.reading import Unreadable, UnreadableJson, decoded, written
from leadpipe.warehouse import another_cursor, read_sql

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
    connection: duckdb.DuckDBPyConnection,
    *,
    region: str,
    now: datetime,
    sent: Collection[str] = FIELDS,
) -> IntakeReport:
    """Put the leads of `lead_captured` events that are not in the outbox yet there; call it in a transaction.

    Only days that changed since they were looked at are looked at.

    Args:
        connection: of the warehouse.
        region: the country of phone numbers without a country code.
        now: when (UTC).
        sent: the fields that the partner gets.
    """
    changed = connection.execute("""
        SELECT event_date, event_days.version FROM event_days LEFT JOIN captured_days USING (event_date)
        WHERE event_days.version > 0 AND event_days.version IS DISTINCT FROM captured_days.version
    """).fetchall()
    if not changed:
        return IntakeReport()
    days = {"days": [day for day, _ in changed]}
    rows = connection.execute(read_sql("delivery", "captured_leads.sql"), days).fetchall()
    leads: list[tuple[Lead, str | None, datetime]] = []
    for event_uuid, captured_at, properties in rows:
        item = _item(properties or "{}")
        lead = _lead(item, fallback_id=str(event_uuid), region=region, sent=sent)
        leads.append((lead, str(event_uuid), captured_at))
    report = _add(connection, leads, source="event", now=now)
    # Whose lead it is, by the name that a person has in the table of leads.
    connection.execute(
        """
        UPDATE lead_deliveries SET seeker_id = captured.seeker_id
        FROM (
            SELECT uuid, seeker_id FROM raw_events
            WHERE event_date IN (SELECT unnest($days::DATE[])) AND meaning = 'captured_lead'
        ) AS captured
        WHERE lead_deliveries.event_uuid = captured.uuid AND lead_deliveries.seeker_id IS NULL
        """,
        days,
    )
    connection.execute(
        "DELETE FROM captured_days WHERE event_date IN (SELECT unnest($days::DATE[]))", days
    )
    connection.execute(
        "INSERT INTO captured_days SELECT unnest($days::DATE[]), unnest($versions::INTEGER[])",
        {**days, "versions": [version for _, version in changed]},
    )
    return report


def take_in_leads(
    connection: duckdb.DuckDBPyConnection,
    items: Iterable[object],
    *,
    source: str,
    region: str,
    now: datetime,
    sent: Collection[str] = FIELDS,
) -> tuple[IntakeReport, list[str]]:
    """Put leads that were handed over directly into the outbox; call it in a transaction.

    Returns:
        What came in, and the key of each lead.
    """
    leads = read_items(items, region=region, sent=sent)
    report = _add(connection, [(lead, None, now) for lead in leads], source=source, now=now)
    return report, [lead.key for lead in leads]


def read_items(items: Iterable[object], *, region: str, sent: Collection[str]) -> list[Lead]:
    """The leads of decoded items (`reading.items_of`); what is none stands there with its reason."""
    return [_lead(item, fallback_id=None, region=region, sent=sent) for item in items]


def kept_text(item: object) -> str:
    """An item as text, from which `read_text` makes it again."""
    return item.text if isinstance(item, Unreadable) else written(item)


def read_text(text: str) -> object:
    """The item that was kept as this text."""
    return _item(text)


def revalidate(
    connection: duckdb.DuckDBPyConnection,
    ids: Sequence[int],
    *,
    region: str,
    now: datetime,
    sent: Collection[str] = FIELDS,
) -> int:
    """Make chosen leads that were called invalid `pending`, if by today's rules they are not; how many."""
    rows = connection.execute(
        """
        SELECT id, channel, session_id, lead_data FROM lead_deliveries
        WHERE state = 'failed' AND attempts = 0 AND list_contains(CAST($ids AS BIGINT[]), id)
        """,
        {"ids": list(ids)},
    ).fetchall()
    valid = [
        id_
        for id_, channel, session_id, data in rows
        if problem_of(data, channel, session_id, region=region, sent=sent) is None
    ]
    connection.execute(
        """
        UPDATE lead_deliveries SET state = 'pending', next_attempt_at = $now, finished_at = NULL
        WHERE list_contains(CAST($ids AS BIGINT[]), id)
        """,
        {"ids": valid, "now": now},
    )
    return len(valid)


def problem_of(
    data: str, channel: object, session_id: object, *, region: str, sent: Collection[str]
) -> str | None:
    """Why a lead of the outbox cannot be delivered as it is, by today's rules."""
    item = _item(data)
    if isinstance(item, dict) and "unreadable" not in item:
        item = {**item, "channel": channel, "session_id": session_id}
    return _lead(item, fallback_id="", region=region, sent=sent).problem


def _item(text: str) -> object:
    try:
        return decoded(text)
    except UnreadableJson as error:
        return Unreadable(text, str(error))


def _lead(item: object, *, fallback_id: str | None, region: str, sent: Collection[str]) -> Lead:
    if isinstance(item, dict):
        return read_lead(
            item, fallback_id=fallback_id or content_id(item), region=region, sent=sent
        )
    text = kept_text(item)
    reason = item.reason if isinstance(item, Unreadable) else "it is no object"
    return unreadable_lead(text, reason, fallback_id=fallback_id or text_id(text))


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
        row = _row(lead, event_uuid, captured_at, number=len(first) + 1)
        first.setdefault(lead.key, row)
    _replace_broken(connection, first)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE added_leads AS
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
        """,
        {"rows": written(list(first.values())), "source": source, "now": now},
    )
    connection.execute("INSERT INTO lead_deliveries BY NAME SELECT * FROM added_leads")
    added = connection.execute("SELECT id, idempotency_key, state FROM added_leads").fetchall()
    connection.execute("DROP TABLE added_leads")
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


def _row(
    lead: Lead, event_uuid: str | None, captured_at: datetime, *, number: int
) -> dict[str, object]:
    return {
        "key": lead.key,
        "channel": lead.channel,
        "session_id": lead.session_id,
        "lead_data": lead.data_json,
        "problem": lead.problem,
        "number": number,
        "event_uuid": event_uuid,
        "captured_at": captured_at.isoformat(),
    }


def _replace_broken(
    connection: duckdb.DuckDBPyConnection, rows: dict[str, dict[str, object]]
) -> None:
    """Put an unreadable lead in the place of each that DuckDB does not take.

    Asked by a cursor of its own: a statement that fails ends the transaction it is in.
    """
    with another_cursor(connection) as cursor:
        for key, reason in _broken(cursor, list(rows), rows):
            row = rows[key]
            stand_in = unreadable_lead(str(row["lead_data"]), reason, fallback_id=key)
            row |= {
                "channel": None,
                "session_id": None,
                "lead_data": stand_in.data_json,
                "problem": stand_in.problem,
            }


def _broken(
    cursor: duckdb.DuckDBPyConnection, keys: list[str], rows: dict[str, dict[str, object]]
) -> list[tuple[str, str]]:
    try:
        cursor.execute(
            "SELECT count(CAST(lead_data AS JSON)) FROM "
            f"(SELECT unnest(from_json($rows, '{_ROWS}'), recursive := true))",
            {"rows": written([rows[key] for key in keys])},
        ).fetchall()
    except BROKEN_BY_DATA:
        if len(keys) == 1:
            return [(keys[0], "the warehouse does not take it")]
        middle = len(keys) // 2
        return _broken(cursor, keys[:middle], rows) + _broken(cursor, keys[middle:], rows)
    return []
