"""What a rim does around the core: take the turn, take in, deliver, compare, publish.

The one sequence that Dagster's assets and the commands share.
"""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from leadpipe.delivery import outbox, reconciling
from leadpipe.delivery.delivering import DeliveryReport, ask_partner, deliver
from leadpipe.delivery.handovers import HandOver, HandOvers
from leadpipe.delivery.intake import (
    IntakeReport,
    read_text,
    revalidate,
    take_in_events,
    take_in_leads,
)
from leadpipe.delivery.lead import FIELDS
from leadpipe.delivery.matching import Undecided, matching
from leadpipe.delivery.outbox import Claimed
from leadpipe.delivery.partner import Partner, PartnerLead
from leadpipe.delivery.partner_events import (
    PartnerEvent,
    apply_partner_event,
    read_partner_event,
    settle_partner_events,
)
from leadpipe.delivery.policy import DeliveryPolicy
from leadpipe.delivery.reconciling import Reconciliation
from leadpipe.delivery.retention import forget_old
from leadpipe.delivery.settling import Decision
from leadpipe.delivery.settling import settle as settle_lead
from leadpipe.delivery.spreadsheets import PartnerFile
from leadpipe.delivery.turn import delivery_turn
from leadpipe.errors import BadPartnerEvent
from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse

_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class DeliveryPlace:
    """Where deliveries happen.

    Args:
        warehouse: has the outbox.
        lock: held by the one process that delivers.
        published: the folder of the published tables.
        hand_overs: what arrived over HTTP.
        region: of phone numbers without a country code.
        keep_days: after so many days delivered leads lose their personal data; None: never.
        turn_seconds: how long to wait for another process that delivers.
        sent: the fields that the partner gets.
        zone: of the partner's times that name none (IANA).
    """

    warehouse: Warehouse
    lock: Path
    published: Path
    hand_overs: HandOvers
    region: str
    keep_days: int | None
    turn_seconds: float
    sent: Collection[str] = FIELDS
    zone: str | None = None


def deliver_due(
    place: DeliveryPlace,
    partner: Partner,
    *,
    policy: DeliveryPolicy,
    clock: Callable[[], datetime],
    ids: Sequence[int] | None = None,
    seconds: float = 600.0,
    progress: Callable[[DeliveryReport], None] = lambda _: None,
) -> tuple[IntakeReport, DeliveryReport]:
    """Take in captured leads, deliver what is due (or chosen leads), publish.

    Raises:
        DeliveryUnderWay: another process delivers.
        WarehouseLocked: nothing is lost; what was sent is asked for next time.
    """
    # Outcomes in memory are worth waiting for: without them the partner has to be asked.
    patient = dataclasses.replace(
        place.warehouse,
        lock_timeout_seconds=max(place.warehouse.lock_timeout_seconds, _PATIENCE_SECONDS),
    )
    with delivery_turn(place.lock, place.warehouse, wait_seconds=place.turn_seconds) as is_lost:
        taken_in = IntakeReport()
        if ids is None:
            taken_in = _take_in(place, now=clock())
        with place.warehouse.writing("delivery") as connection:
            if ids is not None:
                revalidate(connection, ids, region=place.region, now=clock(), sent=place.sent)
            settle_partner_events(connection)
            forget_old(connection, days=place.keep_days, now=clock())
        report = deliver(
            patient,
            partner,
            policy=policy,
            clock=clock,
            ids=ids,
            seconds=seconds,
            is_stopped=is_lost,
            progress=progress,
        )
        with patient.connect() as connection:
            settle_partner_events(connection)
            publish_tables(connection, place.published)
    return taken_in, report


def _take_in(place: DeliveryPlace, *, now: datetime) -> IntakeReport:
    """Captured events and what arrived over HTTP; what cannot be taken is set aside, none behind it."""
    waiting = place.hand_overs.waiting()
    leads = [item for item in waiting if item.kind == "lead"]
    notices = [item for item in waiting if item.kind == "notice"]
    with place.warehouse.writing("delivery") as connection:
        report = take_in_events(connection, region=place.region, now=now, sent=place.sent)
        handed, _ = take_in_leads(
            connection,
            [read_text(item.content) for item in leads],
            source="api",
            region=place.region,
            now=now,
            sent=place.sent,
        )
    place.hand_overs.remove([item.number for item in leads])
    _take_notices(place, notices)
    return report + handed


def _take_notices(place: DeliveryPlace, notices: Sequence[HandOver]) -> None:
    """Enter what the partner told; a notice that means nothing is set aside."""
    events: list[tuple[HandOver, PartnerEvent]] = []
    for item in notices:
        try:
            event = read_partner_event(
                item.content, event_id=item.identity, now=item.received_at, zone=place.zone
            )
        except BadPartnerEvent as error:
            _set_aside(place, item, str(error))
        else:
            events.append((item, event))
    _enter_notices(place, events)


def _enter_notices(place: DeliveryPlace, events: Sequence[tuple[HandOver, PartnerEvent]]) -> None:
    """Enter notices together; where that fails, by halves, down to the one that breaks."""
    if not events:
        return
    try:
        with place.warehouse.writing("delivery") as connection:
            for item, event in events:
                apply_partner_event(connection, event, now=item.received_at)
    except outbox.BROKEN_BY_DATA:
        middle = len(events) // 2
        if middle == 0:
            _set_aside(place, events[0][0], "the warehouse does not take it")
            return
        _enter_notices(place, events[:middle])
        _enter_notices(place, events[middle:])
        return
    place.hand_overs.remove([item.number for item, _ in events])


def _set_aside(place: DeliveryPlace, item: HandOver, reason: str) -> None:
    place.hand_overs.set_aside(
        item.kind, item.content, reason, now=item.received_at, number=item.number
    )


def reconcile(
    place: DeliveryPlace,
    partner: Partner | None,
    *,
    since: datetime,
    until: datetime,
    channel: str | None,
    file: PartnerFile | None,
    is_asking: bool = False,
    settle: timedelta,
    clock: Callable[[], datetime],
) -> Reconciliation:
    """Compare a period with the partner's list or its CSV, keep the report, publish; sends nothing.

    Args:
        place: where.
        partner: asked for its list, unless `file` is given.
        since: first moment (UTC).
        until: first moment after it; leads younger than `settle` are left out.
        channel: only leads of this one.
        file: the partner's CSV.
        is_asking: ask the partner about each lead that is missing: what is missing then may be sent again.
        settle: how long the partner may take to list what it took.
        clock: the time (UTC).

    Raises:
        PartnerUnavailable: it has no list, or did not give it whole.
        ConfigurationError: the CSV has none of our leads, or is of another period.
    """
    until = min(until, clock() - settle)
    theirs: Sequence[PartnerLead] = file.leads if file is not None else ()
    if file is None and partner is not None:
        theirs = partner.list_between(*reconciling.period_there(since, until))
    with delivery_turn(place.lock, place.warehouse, wait_seconds=place.turn_seconds):
        with place.warehouse.connect() as connection:
            ours = reconciling.delivered(connection, since=since, until=until, channel=channel)
            known = reconciling.known_to_us(connection)
            unsettled = outbox.unsettled(connection)
            taken = outbox.taken_partner_ids(connection)
        is_whole = channel is None
        if file is not None:
            found = reconciling.compare_file(
                ours,
                file,
                since=since,
                until=until,
                known=known,
                region=place.region,
                is_whole_channel=is_whole,
            )
        else:
            found = reconciling.compare(
                ours, theirs, known=known, region=place.region, is_whole_channel=is_whole
            )
        found = reconciling.with_open_leads(
            found,
            theirs,
            [
                lead
                for lead in unsettled
                if lead.first_sent_at and since <= lead.first_sent_at < until
            ],
            taken=taken,
            region=place.region,
        )
        if is_asking and found.missing:
            found = found.asked(_ask_about(place, partner, found.missing))
        with place.warehouse.writing("delivery") as connection:
            reconciling.keep(
                connection,
                found,
                source="file" if file is not None else "list",
                since=since,
                until=until,
                channel=channel,
                resubmitted=0,
                now=clock(),
            )
        with place.warehouse.connect() as connection:
            publish_tables(connection, place.published)
    return found


def _ask_about(
    place: DeliveryPlace, partner: Partner | None, ids: Sequence[int]
) -> dict[int, PartnerLead | Undecided | str | None]:
    """What the partner says of each lead: it has it, it does not, or nobody can tell."""
    if partner is None or not partner.can_list:
        return dict.fromkeys(ids, "the partner offers no list")
    with place.warehouse.connect() as connection:
        leads = outbox.leads_of(connection, ids)
        taken = outbox.taken_partner_ids(connection)
    with ThreadPoolExecutor(partner.settings.connections, thread_name_prefix="ask") as pool:
        answers = list(pool.map(lambda lead: ask_partner(partner, lead, place.region), leads))

    def judged(
        lead: Claimed, answer: list[PartnerLead] | str
    ) -> PartnerLead | Undecided | str | None:
        if isinstance(answer, str):
            return answer
        return matching(lead, answer, taken=taken, region=place.region)

    return {lead.id: judged(lead, answer) for lead, answer in zip(leads, answers, strict=True)}


def send_again(place: DeliveryPlace, ids: Sequence[int], *, now: datetime) -> int:
    """Put delivered leads that the partner does not have back into the outbox; how many."""
    with (
        delivery_turn(place.lock, place.warehouse, wait_seconds=place.turn_seconds),
        place.warehouse.writing("delivery") as connection,
    ):
        return reconciling.resubmit(connection, list(ids), now=now)


def settle(
    place: DeliveryPlace,
    lead_id: int,
    decision: Decision,
    *,
    who: str,
    why: str,
    npa_lead_id: str | None = None,
    now: datetime,
) -> str:
    """Do what a person decided about a lead, and publish; its new state.

    Raises:
        UnknownLead, DeliveryError: see `settling.settle`.
        DeliveryUnderWay: another process delivers.
    """
    with delivery_turn(place.lock, place.warehouse, wait_seconds=place.turn_seconds):
        with place.warehouse.writing("delivery") as connection:
            state = settle_lead(
                connection, lead_id, decision, who=who, why=why, npa_lead_id=npa_lead_id, now=now
            )
        with place.warehouse.connect() as connection:
            publish_tables(connection, place.published)
    return state
