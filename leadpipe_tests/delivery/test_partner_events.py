"""Notices of the partner: once each, and the latest by its own time holds."""

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from leadpipe.delivery.partner_events import (
    apply_partner_event,
    read_partner_event,
    settle_partner_events,
)
from leadpipe.errors import BadPartnerEvent
from leadpipe_tests.delivery.builders import deliver_to, hand_over, lead
from leadpipe_tests.events.builders import rows

_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def notice(status: str, hour: int, **fields):
    """A notice about the first lead of the test partner."""
    body = {"lead_id": "npa-1", "status": status, "occurred_at": f"2030-01-01T{hour:02}:00:00Z"}
    return read_partner_event(json.dumps(body | fields).encode(), event_id=None, now=_NOW)


def test_any_order_and_any_number_of_copies_end_the_same(partner, warehouse):
    """All orders of contacted, sold and a late submitted leave the lead sold."""
    hand_over(warehouse, lead(1))
    deliver_to(partner, warehouse)
    events = [notice("submitted", 1), notice("contacted", 2), notice("sold", 3)]
    for order in permutations(events):
        with warehouse.transaction() as connection:
            connection.execute("DELETE FROM partner_events")
            connection.execute("UPDATE lead_deliveries SET partner_status = 'submitted'")
            words = [apply_partner_event(connection, e, now=_NOW) for e in (*order, *order)]
        assert words[3:] == ["duplicate"] * 3
        assert rows(warehouse, "SELECT partner_status FROM lead_deliveries") == [("sold",)]


def test_a_notice_that_comes_before_its_lead_counts_later(partner, warehouse):
    """The partner may tell of a lead whose answer we have not kept yet."""
    with warehouse.transaction() as connection:
        assert apply_partner_event(connection, notice("contacted", 1), now=_NOW) == "unknown"
    hand_over(warehouse, lead(1))
    deliver_to(partner, warehouse)
    with warehouse.transaction() as connection:
        assert settle_partner_events(connection) == 1
    assert rows(warehouse, "SELECT partner_status FROM lead_deliveries") == [("contacted",)]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"no json", "the body is not JSON"),
        (b"[]", "the body is no JSON object"),
        (b'{"lead_id": "1", "status": "won"}', "status 'won' is none of"),
        (b'{"status": "sold"}', "no lead_id and no external_id"),
        (b'{"lead_id": "1", "status": "sold", "occurred_at": "soon"}', "occurred_at should be"),
    ],
)
def test_a_notice_that_means_nothing_is_refused(body, problem):
    """The reason is named."""
    with pytest.raises(BadPartnerEvent, match=problem):
        read_partner_event(body, event_id=None, now=_NOW + timedelta(0))
