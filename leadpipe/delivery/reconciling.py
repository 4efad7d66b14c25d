"""Compare what we delivered with what the partner has, in both directions.

The partner's side is its list, or a CSV it sent. Phone numbers are compared in E.164, emails without case.
"""

import csv
import json
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb

from leadpipe.delivery.lead import FIELDS, e164
from leadpipe.delivery.partner import PartnerLead, moment
from leadpipe.errors import ConfigurationError

Kind = Literal["missing", "unknown", "different", "duplicated"]
_CLOCKS_APART = timedelta(minutes=5)
_CSV_NAMES = {"key": ("external_id", "idempotency_key"), "id": ("npa_lead_id", "lead_id", "id")}


@dataclass(frozen=True)
class OurLead:
    """A delivered lead."""

    id: int
    key: str
    npa_lead_id: str | None
    submitted_at: datetime
    data: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Finding:
    """A discrepancy: missing there, unknown here, fields that differ, or a lead the partner has twice.

    Args:
        kind: which of them.
        id: our number of the lead; None if unknown here.
        npa_lead_id: the partner's; None if missing there.
        fields: names of the fields that differ, never their values.
    """

    kind: Kind
    id: int | None
    npa_lead_id: str | None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reconciliation:
    """The outcome of a comparison."""

    ours: int
    theirs: int
    matched: int
    findings: tuple[Finding, ...]

    def count(self, kind: Kind) -> int:
        """How many findings there are of a kind."""
        return sum(finding.kind == kind for finding in self.findings)

    @property
    def missing(self) -> list[int]:
        """Numbers of the leads the partner does not have."""
        return [f.id for f in self.findings if f.kind == "missing" and f.id is not None]


def delivered(
    connection: duckdb.DuckDBPyConnection,
    *,
    since: datetime,
    until: datetime,
    channel: str | None,
) -> list[OurLead]:
    """Our leads that were delivered in a period."""
    rows = connection.execute(
        """
        SELECT id, idempotency_key, npa_lead_id, submitted_at, lead_data FROM succeeded_leads
        WHERE submitted_at >= $since AND submitted_at < $until
            AND ($channel IS NULL OR channel = $channel) ORDER BY id
        """,
        {"since": since, "until": until, "channel": channel},
    ).fetchall()
    return [OurLead(id_, key, npa, at, _json(data)) for id_, key, npa, at, data in rows]


def known_to_us(connection: duckdb.DuckDBPyConnection) -> tuple[set[str], set[str]]:
    """Keys and partner's ids of every lead of ours, of any time: what is not unknown here."""
    rows = connection.execute("SELECT idempotency_key, npa_lead_id FROM lead_deliveries").fetchall()
    return {key for key, _ in rows}, {npa_id for _, npa_id in rows if npa_id is not None}


def compare(
    ours: Sequence[OurLead],
    theirs: Sequence[PartnerLead],
    *,
    known: tuple[set[str], set[str]],
    region: str,
    is_whole_channel: bool = True,
) -> Reconciliation:
    """Match leads by the partner's id, by our key, else by phone or email; each of theirs once.

    Args:
        ours: delivered in the period.
        theirs: the partner's of the period.
        known: keys and ids of leads of ours outside of the period.
        region: of phone numbers without a country code.
        is_whole_channel: false if `ours` are of one channel: then the others' are not unknown.
    """
    used = _matched(ours, theirs, region)
    matched = {lead.id for lead in used.values()}
    findings = [
        Finding("missing", lead.id, lead.npa_lead_id) for lead in ours if lead.id not in matched
    ]
    for index, lead in used.items():
        if fields := _differing(lead.data, theirs[index].values, region):
            findings.append(Finding("different", lead.id, theirs[index].npa_lead_id, fields))
    persons = {i for lead in used.values() for i in _identities(lead.data, region)}
    keys, ids = known
    our_keys = {lead.key for lead in ours}
    for index, item in enumerate(theirs):
        if index in used:
            continue
        is_ours = item.key in keys or item.npa_lead_id in ids
        is_again = not is_ours and not persons.isdisjoint(_identities(item.values, region))
        if item.key in our_keys or is_again:
            findings.append(Finding("duplicated", None, item.npa_lead_id))
        elif not is_ours and is_whole_channel:
            findings.append(Finding("unknown", None, item.npa_lead_id))
    return Reconciliation(len(ours), len(theirs), len(used), tuple(findings))


def _matched(
    ours: Sequence[OurLead], theirs: Sequence[PartnerLead], region: str
) -> dict[int, OurLead]:
    """Our lead for each place in the partner's list that is one of ours."""
    by_id = {item.npa_lead_id: i for i, item in reversed([*enumerate(theirs)])}
    by_key = {item.key: i for i, item in reversed([*enumerate(theirs)])}
    by_person: dict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(theirs):
        for identity in _identities(item.values, region):
            by_person[identity].append(index)
    used: dict[int, OurLead] = {}
    waiting: list[OurLead] = []
    for lead in ours:
        index = by_id.get(lead.npa_lead_id, -1) if lead.npa_lead_id else -1
        index = by_key.get(lead.key, -1) if index < 0 else index
        if index < 0 or index in used:
            waiting.append(lead)
        else:
            used[index] = lead
    for lead in waiting:  # those with an id or key have taken their own first
        candidates = (i for who in _identities(lead.data, region) for i in by_person[who])
        for index in candidates:
            if index not in used and theirs[index].key in {None, lead.key}:
                used[index] = lead
                break
    return used


def read_partner_csv(path: Path) -> list[PartnerLead]:
    """The leads of a CSV that the partner sent, with our field names as its header.

    Raises:
        ConfigurationError: no such file, or a header without phone, email, npa_lead_id and external_id.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
            header = list(rows[0]) if rows else []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    wanted = {"phone", "email", *_CSV_NAMES["id"], *_CSV_NAMES["key"]}
    if not wanted & set(header):
        raise ConfigurationError(
            f"{path} has no column to compare by. Its header should have some of {', '.join(sorted(wanted))}."
        )
    return [
        PartnerLead(
            npa_lead_id=_first(row, _CSV_NAMES["id"]),
            key=_first(row, _CSV_NAMES["key"]),
            created_at=moment(row.get("created_at")),
            values={name: row[name].strip() for name in FIELDS if (row.get(name) or "").strip()},
        )
        for row in rows
    ]


def keep(
    connection: duckdb.DuckDBPyConnection,
    found: Reconciliation,
    *,
    source: str,
    since: datetime,
    until: datetime,
    channel: str | None,
    resubmitted: int,
    now: datetime,
) -> str:
    """Keep a report and its findings; its id."""
    report_id = str(uuid.uuid4())
    counts = [found.count(kind) for kind in ("missing", "unknown", "different", "duplicated")]
    connection.execute(
        "INSERT INTO reconciliations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(report_id, source, since, until, channel),
            *(found.ours, found.theirs, found.matched, *counts),
            *(resubmitted, now),
        ],
    )
    for finding in found.findings:
        connection.execute(
            "INSERT INTO reconciliation_findings VALUES (?, ?, ?, ?, ?, ?)",
            [
                *(report_id, finding.kind, finding.id, finding.npa_lead_id),
                *(", ".join(finding.fields) or None, now),
            ],
        )
    return report_id


def resubmit(connection: duckdb.DuckDBPyConnection, ids: list[int], *, now: datetime) -> int:
    """Put delivered leads that the partner does not have back into the outbox; how many.

    Their old success stays in the history; `succeeded_leads` has them again when they are accepted.
    """
    if not ids:
        return 0
    connection.execute(
        """
        INSERT INTO delivery_attempts
        SELECT id, attempts, 'missing', NULL, 'not in the partner''s list: sent again', $now
        FROM lead_deliveries WHERE list_contains(CAST($ids AS BIGINT[]), id) AND state = 'succeeded'
        """,
        {"ids": ids, "now": now},
    )
    moved = connection.execute(
        """
        UPDATE lead_deliveries SET state = 'retrying', next_attempt_at = $now, npa_lead_id = NULL,
               finished_at = NULL, partner_status = NULL, partner_status_at = NULL, first_sent_at = $now
        WHERE list_contains(CAST($ids AS BIGINT[]), id) AND state = 'succeeded' RETURNING id
        """,
        {"ids": ids, "now": now},
    ).fetchall()
    connection.execute(
        "DELETE FROM succeeded_leads WHERE list_contains(CAST($ids AS BIGINT[]), id)",
        {"ids": [id_ for (id_,) in moved]},
    )
    return len(moved)


def period_there(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """The period to ask the partner for: its clock is not ours."""
    return since - _CLOCKS_APART, until + _CLOCKS_APART


def _identities(values: Mapping[str, Any], region: str) -> list[str]:
    phone = e164(values.get("phone"), region)
    email = str(values.get("email") or "").strip().casefold()
    return [identity for identity in (phone, email) if identity]


def _differing(ours: Mapping[str, Any], theirs: Mapping[str, str], region: str) -> tuple[str, ...]:
    return tuple(
        name
        for name in FIELDS
        if name in theirs
        and _normal(name, ours.get(name), region) != _normal(name, theirs[name], region)
    )


def _normal(name: str, value: object, region: str) -> str | None:
    if name == "phone":
        return e164(value, region) or str(value)
    return " ".join(str("" if value is None else value).split()).casefold()


def _first(row: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((row[name].strip() for name in names if (row.get(name) or "").strip()), None)


def _json(text: str) -> dict[str, Any]:
    content = json.loads(text)
    return content if isinstance(content, dict) else {}
