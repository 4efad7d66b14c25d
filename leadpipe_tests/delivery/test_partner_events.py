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

pytestmark = pytest.mark.shared_lake

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
        with warehouse.writing("delivery") as connection:
            connection.execute("DELETE FROM partner_events")
            connection.execute("UPDATE lead_deliveries SET partner_status = 'submitted'")
            words = [apply_partner_event(connection, e, now=_NOW) for e in (*order, *order)]
        assert words[3:] == ["duplicate"] * 3
        assert rows(warehouse, "SELECT partner_status FROM lead_deliveries") == [("sold",)]


def test_a_notice_that_comes_before_its_lead_counts_later(partner, warehouse):
    """The partner may tell of a lead whose answer we have not kept yet."""
    with warehouse.writing("delivery") as connection:
        assert apply_partner_event(connection, notice("contacted", 1), now=_NOW) == "unknown"
    hand_over(warehouse, lead(1))
    deliver_to(partner, warehouse)
    with warehouse.writing("delivery") as connection:
        assert settle_partner_events(connection) == 1
    assert rows(warehouse, "SELECT partner_status FROM lead_deliveries") == [("contacted",)]


@pytest.mark.parametrize(
    "bodies",
    [
        # The id of a notice is the lead's.
        [{"id": "npa-1", "lead_id": "npa-1"}, {"id": "npa-1", "lead_id": "npa-1"}],
        # Only the id, which is the lead's.
        [{"id": "npa-1"}, {"id": "npa-1"}],
        # The partner's own number of the lead under `id`.
        [{"id": 77, "lead": {"id": "npa-1"}}, {"id": 77, "lead": {"id": "npa-1"}}],
        # A new id for each, and one for both, wrapped.
        [
            {"event_id": "e1", "data": {"leadId": "npa-1"}},
            {"event_id": "e2", "data": {"leadId": "npa-1"}},
        ],
        [{"event_id": "e", "lead_id": "npa-1"}, {"event_id": "e", "lead_id": "npa-1"}],
    ],
)
@pytest.mark.parametrize("is_timed", [True, False])
def test_whatever_ids_notices_have_the_last_state_holds(partner, warehouse, bodies, is_timed):
    """Contacted, sold, and both again as partners repeat what they did not see answered."""
    hand_over(warehouse, lead(1))
    deliver_to(partner, warehouse)
    events = []
    for hour, (body, status) in enumerate(zip(bodies, ("contacted", "sold"), strict=True), 10):
        inner = body.get("data", body)
        inner["status"] = status
        if is_timed:
            inner["occurred_at"] = f"2030-01-01T{hour}:00:00Z"
        events.append(read_partner_event(json.dumps(body), event_id=None, now=_NOW))
    with warehouse.writing("delivery") as connection:
        words = [apply_partner_event(connection, e, now=_NOW) for e in (*events, *events)]
    assert words == ["applied", "applied", "duplicate", "duplicate"]
    assert rows(warehouse, "SELECT partner_status FROM lead_deliveries") == [("sold",)]


def test_a_repeat_without_a_time_moves_no_lead_back(partner, warehouse):
    """Even when each repeat has an id of its own."""
    hand_over(warehouse, lead(1))
    deliver_to(partner, warehouse)
    words = []
    for number, status in enumerate(("contacted", "sold", "contacted", "submitted")):
        body = json.dumps({"event_id": f"e{number}", "lead_id": "npa-1", "status": status})
        event = read_partner_event(body, event_id=None, now=_NOW + timedelta(minutes=number))
        with warehouse.writing("delivery") as connection:
            words.append(apply_partner_event(connection, event, now=_NOW))
    assert words == ["applied", "applied", "late", "late"]


def test_two_states_of_one_second_end_with_the_further_one(partner, warehouse):
    """Partners write times to the second, and send in any order."""
    hand_over(warehouse, lead(1))
    deliver_to(partner, warehouse)
    with warehouse.writing("delivery") as connection:
        words = [
            apply_partner_event(connection, notice(status, 9), now=_NOW)
            for status in ("sold", "contacted")
        ]
    assert words == ["applied", "late"]


def test_a_notice_about_a_lead_that_nobody_knew_of_settles_it(partner, warehouse):
    """Named by our key, the partner has it: it is not sent again."""
    partner.configure(script=["die_before"], offers_list=False)
    hand_over(warehouse, lead(1))
    deliver_to(partner, warehouse)
    [(key,)] = rows(warehouse, "SELECT idempotency_key FROM lead_deliveries")
    body = json.dumps({"external_id": key, "lead_id": "npa-9", "status": "contacted"})
    with warehouse.writing("delivery") as connection:
        event = read_partner_event(body, event_id=None, now=_NOW)
        assert apply_partner_event(connection, event, now=_NOW) == "applied"
    deliver_to(partner, warehouse, after=timedelta(minutes=5))
    assert partner.requests() == 1
    assert rows(warehouse, "SELECT state, npa_lead_id, partner_status FROM lead_deliveries") == [
        ("succeeded", "npa-9", "contacted")
    ]


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
