"""What a webhook's body says: every shape it may have, and everything that may be wrong with it."""

import json
from datetime import date

import pytest

from leadpipe.errors import ConfigurationError
from leadpipe.inbox.payloads import Delivery, Reader, UnreadableBody, checked_fields
from leadpipe_tests.clocks import NOW
from leadpipe_tests.inbox.builders import (
    FIRST_DAY,
    READER,
    RECORDED,
    TIME,
    UUID,
    a_body,
    an_event,
    payload,
)

WIRE = [
    UUID,
    "$pageview",
    "2026-11-20T10:00:00.123000+00:00",
    None,
    "device-1",
    "person-1",
    '{"$pathname":"/"}',
]


def read(content, reader=READER):
    """The payload of a body given as an object."""
    return reader.read(json.dumps(content).encode(), now=NOW)


def wire(delivery):
    """The delivery's row."""
    return json.loads(delivery.wire)


def test_the_recorded_body_becomes_a_row():
    """PostHog's own body gives the event, its person, and only the properties that are stored."""
    (delivery,) = read(RECORDED).deliveries
    row = wire(delivery)
    properties = json.loads(row.pop())
    assert row == [
        "01a1fc4d-e556-70ab-addc-29531eaab2ae",
        "$pageview",
        "2026-11-21T04:12:05.845000+00:00",
        None,
        "01a1fc4d-e542-7792-aa6d-fca1b0dd8a39",
        "7b1c5f0e-33a7-5a4e-9d2a-0a5a0a8f9b11",
    ]
    assert properties.keys() == {
        *("$session_id", "$current_url", "$host", "$pathname", "$referring_domain"),
        *("$raw_user_agent", "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"),
    }
    assert delivery.day == date(2026, 11, 21)


@pytest.mark.parametrize(
    "content",
    [
        a_body(),
        an_event(person={"id": "person-1"}),
        [a_body()],
        {"batch": [an_event(person={"id": "person-1"})]},
        {"events": [a_body()], "api_key": "phc_x"},
        a_body(timestamp="2026-11-20T12:00:00.123+02:00"),
        a_body(timestamp="2026-11-20T10:00:00.123"),
        a_body(uuid=UUID.upper()),
        a_body(properties='{"$pathname": "/"}'),
    ],
    ids=[
        *("default", "flat", "list", "batch", "events"),
        *("offset", "no offset", "capital uuid", "properties as text"),
    ],
)
def test_every_shape_gives_the_same_row(content):
    """An event is the same event however it is wrapped and written."""
    found = read(content)
    assert ([wire(delivery) for delivery in found.deliveries], found.problems) == ([WIRE], ())


def test_a_missing_person_is_no_problem():
    """PostHog leaves the person out when it has none."""
    (delivery,) = read(a_body(person=None)).deliveries
    assert (delivery.person_id, wire(delivery)) == (None, [*WIRE[:5], None, WIRE[6]])


def test_business_events_keep_all_their_properties():
    """Of events that are no mass traffic nothing is left out, whatever the numbers."""
    properties = {"amount": 12345678901234567890123, "rate": 0.1, "note": "é\u0000\U0001f600"}
    (delivery,) = read(a_body(event="recharge", properties=properties)).deliveries
    assert json.loads(wire(delivery)[6]) == pytest.approx(properties)


def test_a_body_of_ones_own_is_read_by_its_mapping():
    """LEADPIPE_WEBHOOK_FIELDS says where a body made by a template has its fields."""
    fields = checked_fields(
        "uuid=id, event=what, timestamp=at, distinct_id=who.device, person_id=who.person, "
        "properties=data"
    )
    reader = Reader(wanted={"$pageview"}, first_day=FIRST_DAY, fields=fields)
    body = {
        "id": UUID,
        "what": "$pageview",
        "at": TIME,
        "who": {"device": "device-1", "person": "person-1"},
        "data": {"$pathname": "/"},
    }
    assert [wire(delivery) for delivery in read(body, reader).deliveries] == [WIRE]


@pytest.mark.parametrize("text", ["uuid", "uid=id", "uuid=", "uuid=a..b", "uuid=a b"])
def test_a_mapping_that_cannot_be_used_is_refused(text):
    """The error names the part and the fields there are."""
    with pytest.raises(ConfigurationError, match=r"LEADPIPE_WEBHOOK_FIELDS: .*cannot be used"):
        checked_fields(text)


def test_other_events_are_ignored():
    """An event that leadpipe does not read is counted and forgotten."""
    found = read([a_body(event="$autocapture"), a_body(event="$set", uuid="x"), a_body()])
    assert (len(found.deliveries), found.ignored, found.problems) == (1, 2, ())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (a_body(uuid=None), "no UUID at event.uuid"),
        (a_body(uuid="1234"), "no UUID at event.uuid"),
        (a_body(uuid=7), "no UUID at event.uuid"),
        (an_event(uuid="1234"), "no UUID at uuid"),
        (a_body(event=None), "no event name at event.event"),
        (a_body(event={"a": 1}), "event.event should be a text"),
        (a_body(event="x" * 201), "event.event is longer than 200 characters"),
        (a_body(timestamp=None), "no readable time at event.timestamp (ISO 8601 is expected)"),
        (a_body(timestamp="noon"), "no readable time at event.timestamp (ISO 8601 is expected)"),
        (
            a_body(timestamp=1795234325),
            "no readable time at event.timestamp (ISO 8601 is expected)",
        ),
        (
            a_body(timestamp="2027-01-01T00:00:00Z"),
            "2027-01-01 00:00 is more than a day ahead of the clock here".replace("2027", "2027"),
        ),
        (
            a_body(timestamp="2025-12-31T23:59:59Z"),
            "2025-12-31 is before the first day loaded, 2026-01-01",
        ),
        (a_body(timestamp="0001-01-01T00:00:00+14:00"), "a time outside all calendars"),
        (a_body(distinct_id=["a"]), "event.distinct_id should be a text"),
        (a_body(distinct_id="d" * 401), "event.distinct_id is longer than 400 characters"),
        (a_body(person={"id": True}), "person.id should be a text"),
        (a_body(properties=[1]), "event.properties should be an object"),
        (a_body(properties="nonsense"), "event.properties should be an object"),
        ("text", "no event, as it is no JSON object"),
        ({}, "no event name at event"),
    ],
)
def test_what_is_no_usable_event_has_a_reason(content, reason):
    """Each problem is named with the place in the body, and the content is kept as it came."""
    found = read([content, a_body()])
    (problem,) = found.problems
    assert (problem.reason, json.loads(problem.content), len(found.deliveries)) == (
        reason,
        content,
        1,
    )


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b'"text"', b"17", b"null", b"[" * 5_000, b'{"a": NaN}', b"a=b"],
)
def test_a_body_that_can_hold_no_events_is_unreadable(body):
    """Garbage is refused as a whole, with a short reason."""
    with pytest.raises(UnreadableBody, match=r"^(the body is not JSON|the body should be)"):
        READER.read(body, now=NOW)


def test_too_many_events_in_a_body_are_refused():
    """A body has ten thousand events at most."""
    with pytest.raises(UnreadableBody, match="10001 events in one body; 10000 are the most"):
        read([1] * 10_001)


def test_an_empty_list_is_nothing():
    """No events are no error."""
    assert payload() == READER.read(b"[]", now=NOW)
    assert isinstance(payload(a_body()).deliveries[0], Delivery)
