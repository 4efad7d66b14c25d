"""What a rim does around the core: take the turn, take in, deliver, compare, publish.

The one sequence that Dagster's assets and the commands share.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from leadpipe.delivery import reconciling
from leadpipe.delivery.delivering import DeliveryReport, deliver
from leadpipe.delivery.handovers import HandOver, HandOvers
from leadpipe.delivery.intake import IntakeReport, take_in_events, take_in_leads
from leadpipe.delivery.partner import Partner
from leadpipe.delivery.partner_events import (
    apply_partner_event,
    read_partner_event,
    settle_partner_events,
)
from leadpipe.delivery.policy import DeliveryPolicy
from leadpipe.delivery.reconciling import Reconciliation
from leadpipe.delivery.retention import forget_old
from leadpipe.delivery.turn import delivery_turn
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
    """

    warehouse: Warehouse
    lock: Path
    published: Path
    hand_overs: HandOvers
    region: str
    keep_days: int | None
    turn_seconds: float


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
    with delivery_turn(place.lock, wait_seconds=place.turn_seconds):
        with place.warehouse.transaction() as connection:
            waiting = [] if ids is not None else place.hand_overs.waiting()
            taken_in = IntakeReport()
            if ids is None:
                taken_in = _take_in(connection, waiting, region=place.region, now=clock())
            settle_partner_events(connection)
            forget_old(connection, days=place.keep_days, now=clock())
        place.hand_overs.remove([item.number for item in waiting])
        report = deliver(
            patient,
            partner,
            policy=policy,
            clock=clock,
            ids=ids,
            seconds=seconds,
            progress=progress,
        )
        with patient.connect() as connection:
            settle_partner_events(connection)
            publish_tables(connection, place.published)
    return taken_in, report


def _take_in(
    connection: duckdb.DuckDBPyConnection,
    waiting: Sequence[HandOver],
    *,
    region: str,
    now: datetime,
) -> IntakeReport:
    """Captured events and what arrived over HTTP; what means nothing was refused when it arrived."""
    report = take_in_events(connection, region=region, now=now)
    leads = [json.loads(item.content) for item in waiting if item.kind == "lead"]
    handed, _ = take_in_leads(connection, leads, source="api", region=region, now=now)
    for item in waiting:
        if item.kind == "notice":
            event = read_partner_event(
                item.content.encode(), event_id=item.identity, now=item.received_at
            )
            apply_partner_event(connection, event, now=item.received_at)
    return report + handed


def reconcile(
    place: DeliveryPlace,
    partner: Partner | None,
    *,
    since: datetime,
    until: datetime,
    channel: str | None,
    file: Path | None,
    is_fixing: bool,
    settle: timedelta,
    clock: Callable[[], datetime],
) -> tuple[Reconciliation, int]:
    """Compare a period with the partner's list or its CSV, keep the report, publish.

    Args:
        place: where.
        partner: asked for its list, unless `file` is given.
        since: first moment (UTC).
        until: first moment after it; leads younger than `settle` are left out.
        channel: only leads of this one.
        file: the partner's CSV.
        is_fixing: put what is missing there back into the outbox.
        settle: how long the partner may take to list what it took.
        clock: the time (UTC).

    Returns:
        The comparison, and how many leads were put back.

    Raises:
        PartnerUnavailable: it has no list, or did not give it.
        ConfigurationError: the CSV cannot be used.
    """
    until = min(until, clock() - settle)
    if file is not None:
        theirs = reconciling.read_partner_csv(file)
    elif partner is not None:
        theirs = list(partner.list_between(*reconciling.period_there(since, until)))
    else:
        theirs = []
    with (
        delivery_turn(place.lock, wait_seconds=place.turn_seconds),
        place.warehouse.connect() as connection,
    ):
        ours = reconciling.delivered(connection, since=since, until=until, channel=channel)
        found = reconciling.compare(
            ours,
            theirs,
            known=reconciling.known_to_us(connection),
            region=place.region,
            is_whole_channel=channel is None,
        )
        connection.execute("BEGIN TRANSACTION")
        again = reconciling.resubmit(connection, found.missing, now=clock()) if is_fixing else 0
        reconciling.keep(
            connection,
            found,
            source="file" if file else "list",
            since=since,
            until=until,
            channel=channel,
            resubmitted=again,
            now=clock(),
        )
        connection.execute("COMMIT")
        publish_tables(connection, place.published)
    return found, again
