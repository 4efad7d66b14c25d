"""Deliveries from two machines that share a warehouse: the partner sees each lead once."""

import threading
from datetime import UTC, datetime

import pytest

from leadpipe.delivery.handovers import HandOvers
from leadpipe.delivery.partner import Partner
from leadpipe.delivery.service import DeliveryPlace, deliver_due
from leadpipe.delivery.turn import delivery_turn
from leadpipe.errors import DeliveryUnderWay
from leadpipe_tests.delivery.builders import (
    POLICY,
    accepted,
    hand_over,
    lead,
    partner_settings,
    states,
)
from leadpipe_tests.lakes import tell_all_to_let_go


def place_on(warehouse):
    """A machine's place of deliveries: its files are its own."""
    folder = warehouse.path.parent
    return DeliveryPlace(
        warehouse=warehouse,
        lock=folder / "delivery.lock",
        published=folder / "published",
        hand_overs=HandOvers(folder / "hand_overs.sqlite"),
        region="US",
        keep_days=None,
        turn_seconds=120.0,
    )


def test_each_lead_once_from_two_machines(machine, partner):
    """Two machines that begin at one moment deliver one after the other, and no lead twice."""
    places = [place_on(machine(name)) for name in ("one", "two")]
    hand_over(places[0].warehouse, *[lead(number) for number in range(1, 7)])
    reports = []

    def deliver(place):
        with Partner(partner_settings(partner.url)) as client:
            reports.append(
                deliver_due(place, client, policy=POLICY, clock=lambda: datetime.now(UTC))[1]
            )

    threads = [threading.Thread(target=deliver, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert accepted(partner) == sorted(str(number) for number in range(1, 7))
    assert sorted(report.sent for report in reports) == [0, 6]
    assert {*states(places[0].warehouse).values()} == {"succeeded"}


def test_the_turn_is_of_all_machines(machine, lake):
    """While one machine has the turn another one is told so; who loses it knows, and it is free then."""
    one, two = place_on(machine("one")), place_on(machine("two"))
    with delivery_turn(one.lock, one.warehouse, wait_seconds=0) as is_lost:
        with pytest.raises(DeliveryUnderWay, match="Another machine delivers leads"):
            delivery_turn(two.lock, two.warehouse, wait_seconds=0).__enter__()
        assert not is_lost()
        tell_all_to_let_go(str(lake.postgres))
        assert is_lost()
        with delivery_turn(two.lock, two.warehouse, wait_seconds=5):
            pass
