"""Compare what we delivered with what the partner has, in both directions.

The partner's side is its list, or a CSV it sent. Phone numbers are compared in E.164, emails without case.
A comparison is a plan: what is missing in it is sent by nobody before the partner was asked about each lead,
and a person about the whole.
"""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import duckdb

from leadpipe.delivery import outbox
from leadpipe.delivery.lead import FIELDS, normal_phone
from leadpipe.delivery.matching import CLOCKS_APART, Undecided, identities, matching
from leadpipe.delivery.partner import PartnerLead
from leadpipe.delivery.reading import UnreadableJson, decoded
from leadpipe.delivery.spreadsheets import PartnerFile
from leadpipe.errors import ConfigurationError

Kind = Literal["matched", "missing", "unknown", "different", "duplicated", "undecided"]
_SLACK = timedelta(days=1)
_ZIP_DIGITS = 5


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
    """What a comparison says of one lead.

    Args:
        kind: matched; different: matched, with fields that differ; missing there; unknown here; duplicated:
            the partner has it once more; undecided: nobody can tell from this list.
        id: our number of the lead; None if unknown here.
        npa_lead_id: the partner's; None if missing there.
        fields: names of the fields that differ, never their values.
        reason: why it is undecided.
    """

    kind: Kind
    id: int | None
    npa_lead_id: str | None
    fields: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class Reconciliation:
    """The outcome of a comparison: `plan` has each lead, ours and theirs; `notes` are for people."""

    ours: int
    theirs: int
    plan: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def matched(self) -> int:
        """How many leads are on both sides."""
        return self.count("matched") + self.count("different")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is not simply matched."""
        return tuple(finding for finding in self.plan if finding.kind != "matched")

    def count(self, kind: Kind) -> int:
        """How many findings there are of a kind."""
        return sum(finding.kind == kind for finding in self.plan)

    @property
    def missing(self) -> list[int]:
        """Numbers of the leads the partner does not have."""
        return [f.id for f in self.plan if f.kind == "missing" and f.id is not None]

    def asked(
        self, answers: Mapping[int, PartnerLead | Undecided | str | None]
    ) -> "Reconciliation":
        """The plan after the partner was asked about what is missing, by our number of the lead."""
        return replace(self, plan=tuple(_after(each, answers) for each in self.plan))


def _after(
    finding: Finding, answers: Mapping[int, PartnerLead | Undecided | str | None]
) -> Finding:
    if finding.kind != "missing" or finding.id is None:
        return finding
    if finding.id not in answers:
        return replace(finding, kind="undecided", reason="the partner was not asked about it")
    match answers[finding.id]:
        case None:
            return finding
        case PartnerLead() as found:
            return replace(finding, kind="matched", npa_lead_id=found.npa_lead_id)
        case Undecided(why):
            return replace(finding, kind="undecided", reason=why)
        case str(why):
            return replace(finding, kind="undecided", reason=f"asked, without an answer: {why}")


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
    used, contradicting = _matched(ours, theirs, region)
    matched = {lead.id for lead in used.values()}
    plan = [
        Finding("undecided", lead.id, lead.npa_lead_id, reason="its id is somebody else's there")
        if lead.id in contradicting
        else Finding("missing", lead.id, lead.npa_lead_id)
        for lead in ours
        if lead.id not in matched
    ]
    for index, lead in used.items():
        fields = _differing(lead.data, theirs[index].values, region)
        kind: Kind = "different" if fields else "matched"
        plan.append(Finding(kind, lead.id, theirs[index].npa_lead_id, fields))
    persons = {i for lead in used.values() for i in identities(lead.data, region)}
    keys, ids = known
    our_keys = {lead.key for lead in ours}
    for index, item in enumerate(theirs):
        if index in used:
            continue
        is_ours = item.key in keys or item.npa_lead_id in ids
        is_again = not is_ours and not persons.isdisjoint(identities(item.values, region))
        if item.key in our_keys or is_again:
            plan.append(Finding("duplicated", None, item.npa_lead_id))
        elif not is_ours and is_whole_channel:
            plan.append(Finding("unknown", None, item.npa_lead_id))
    return Reconciliation(len(ours), len(theirs), tuple(plan))


def with_open_leads(
    found: Reconciliation,
    theirs: Sequence[PartnerLead],
    leads: Sequence[outbox.Claimed],
    *,
    taken: set[str],
    region: str,
) -> Reconciliation:
    """The plan with our leads whose answer was lost: what the list says of them is for a person to judge."""
    plan = list(found.plan)
    by_person: dict[str, list[PartnerLead]] = defaultdict(list)
    for item in theirs:
        for identity in {*identities(item.values, region), *([item.key] if item.key else [])}:
            by_person[identity].append(item)
    for lead in leads:
        who = [*identities(lead.data, region), lead.key]
        match = matching(
            lead, [i for each in who for i in by_person[each]], taken=taken, region=region
        )
        if match is None:
            continue
        there = match.npa_lead_id if isinstance(match, PartnerLead) else None
        why = "it has it" if isinstance(match, PartnerLead) else match.why
        reason = f"its answer was lost; by the list, {why}: `leadpipe failed settle {lead.id}`"
        plan = [
            each for each in plan if not (there and each.id is None and each.npa_lead_id == there)
        ]
        plan.append(Finding("undecided", lead.id, there, reason=reason))
    return replace(found, plan=tuple(plan))


def compare_file(
    ours: Sequence[OurLead],
    file: PartnerFile,
    *,
    since: datetime,
    until: datetime,
    known: tuple[set[str], set[str]],
    region: str,
    is_whole_channel: bool = True,
) -> Reconciliation:
    """Compare with a file, of which nobody knows whether it is whole, or of which period it is.

    A lead of ours that is not in it is missing only where the file has leads of about its time, and no rows
    that cannot be read.

    Raises:
        ConfigurationError: the file is of another period, or has none of our leads.
    """
    spans = [lead.made for lead in file.leads if lead.made is not None]
    begin, end = min((s[0] for s in spans), default=None), max((s[1] for s in spans), default=None)
    if begin and end and (end < since - _SLACK or begin >= until + _SLACK):
        raise ConfigurationError(
            f"The file is of another period: its leads are from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, and "
            f"{since:%Y-%m-%d} to {until:%Y-%m-%d} was asked for."
        )
    found = compare(ours, file.leads, known=known, region=region, is_whole_channel=is_whole_channel)
    if ours and not found.matched:
        raise ConfigurationError(
            f"The file has none of the {len(ours)} leads of this period, in {len(file.leads)} rows. Is it of "
            "another period, or are its columns others? Nothing was compared."
        )
    matched = {each.id for each in found.plan if each.kind in {"matched", "different"}}
    times = [lead.submitted_at for lead in ours if lead.id in matched]
    begin, end = min([*times, *([begin] if begin else [])]), max([*times, *([end] if end else [])])
    when = {lead.id: lead.submitted_at for lead in ours}
    why_not = (
        f"{file.nameless} rows of the file have nothing to know a lead by"
        if file.nameless
        else None
    )

    def judged(each: Finding) -> Finding:
        if each.kind != "missing" or each.id is None:
            return each
        is_near = begin - _SLACK <= when[each.id] <= end + _SLACK
        reason = why_not or (None if is_near else "the file has no leads of about its time")
        return replace(each, kind="undecided", reason=reason) if reason else each

    return replace(found, plan=tuple(map(judged, found.plan)), notes=_notes(file))


def _notes(file: PartnerFile) -> tuple[str, ...]:
    notes = []
    if file.shortened:
        notes.append(
            f"{file.shortened} rows of the file have numbers that a spreadsheet has shortened (1.20156E+10); "
            "nobody can tell whose they are."
        )
    if file.timeless:
        notes.append(f"{file.timeless} rows of the file have a time that cannot be read.")
    return tuple(notes)


def _matched(
    ours: Sequence[OurLead], theirs: Sequence[PartnerLead], region: str
) -> tuple[dict[int, OurLead], set[int]]:
    """Our lead for each place in the partner's list that is ours, and those whose id is another's there."""
    by_id = {item.npa_lead_id: i for i, item in reversed([*enumerate(theirs)])}
    by_key = {item.key: i for i, item in reversed([*enumerate(theirs)])}
    by_person: dict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(theirs):
        for identity in identities(item.values, region):
            by_person[identity].append(index)
    used: dict[int, OurLead] = {}
    waiting: list[OurLead] = []
    contradicting: set[int] = set()
    for lead in ours:
        index = by_key.get(lead.key, -1)
        if index < 0 and lead.npa_lead_id and lead.npa_lead_id in by_id:
            index = by_id[lead.npa_lead_id]
            who = identities(theirs[index].values, region)
            if who and who.isdisjoint(identities(lead.data, region)):
                contradicting.add(lead.id)
                index = -1
        if index < 0 or index in used:
            waiting.append(lead)
        else:
            used[index] = lead
    for lead in waiting:  # those with an id or key have taken their own first
        candidates = (i for who in sorted(identities(lead.data, region)) for i in by_person[who])
        for index in candidates:
            if index not in used and theirs[index].key in {None, lead.key}:
                used[index] = lead
                contradicting.discard(lead.id)
                break
    return used, contradicting


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
    kinds: tuple[Kind, ...] = ("missing", "unknown", "different", "duplicated")
    connection.execute(
        "INSERT INTO reconciliations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(report_id, source, since, until, channel),
            *(found.ours, found.theirs, found.matched, *(found.count(kind) for kind in kinds)),
            *(resubmitted, now, found.count("undecided")),
        ],
    )
    for finding in found.findings:
        connection.execute(
            "INSERT INTO reconciliation_findings VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                *(report_id, finding.kind, finding.id, finding.npa_lead_id),
                *(", ".join(finding.fields) or None, now, finding.reason),
            ],
        )
    return report_id


def resubmit(connection: duckdb.DuckDBPyConnection, ids: list[int], *, now: datetime) -> int:
    """Put delivered leads that the partner does not have back into the outbox; how many.

    Their old success stays in the history; `succeeded_leads` has them again when they are accepted.
    """
    if not ids:
        return 0
    moved = [
        id_
        for (id_,) in connection.execute(
            "SELECT id FROM lead_deliveries "
            "WHERE list_contains(CAST($ids AS BIGINT[]), id) AND state = 'succeeded'",
            {"ids": ids},
        ).fetchall()
    ]
    connection.execute(
        """
        INSERT INTO delivery_attempts
        SELECT id, attempts, 'missing', NULL, 'not in the partner''s list: sent again', $now
        FROM lead_deliveries WHERE list_contains(CAST($ids AS BIGINT[]), id)
        """,
        {"ids": moved, "now": now},
    )
    connection.execute(
        """
        UPDATE lead_deliveries SET state = 'retrying', next_attempt_at = $now, finished_at = NULL
        WHERE list_contains(CAST($ids AS BIGINT[]), id)
        """,
        {"ids": moved, "now": now},
    )
    outbox.take_back(connection, moved, now=now)
    connection.execute(
        """
        UPDATE reconciliations SET resubmitted = $count
        WHERE made_at = (SELECT max(made_at) FROM reconciliations)
        """,
        {"count": len(moved)},
    )
    return len(moved)


def period_there(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """The period to ask the partner for: its clock is not ours."""
    return since - CLOCKS_APART, until + CLOCKS_APART


def _differing(ours: Mapping[str, Any], theirs: Mapping[str, str], region: str) -> tuple[str, ...]:
    return tuple(
        name
        for name in FIELDS
        if name in theirs
        and _normal(name, ours.get(name), region) != _normal(name, theirs[name], region)
    )


def _normal(name: str, value: object, region: str) -> str | None:
    if name == "phone":
        return normal_phone(value, region) or str(value)
    text = " ".join(str("" if value is None else value).split()).casefold()
    text = text.removesuffix(".0") if text.removesuffix(".0").isdigit() else text
    if name == "zip_code" and text.isdigit() and region == "US":
        return text.zfill(_ZIP_DIGITS)
    return text


def _json(text: str) -> dict[str, Any]:
    try:
        content = decoded(text)
    except UnreadableJson:
        return {}
    return content if isinstance(content, dict) else {}
