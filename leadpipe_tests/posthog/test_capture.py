"""Sending events through PostHog's SDK: what is refused before, what is told after, what arrives."""

import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from leadpipe.connections import connect_capture
from leadpipe.errors import ConfigurationError, EventRefused
from leadpipe.posthog import PostHog
from leadpipe.posthog.capture import (
    Capture,
    CaptureReport,
    Event,
    event_uuid,
    set_event,
    verify_captured,
)
from leadpipe.posthog.events_to_send import LARGEST_EVENT_BYTES
from leadpipe.posthog.hosts import capture_host
from leadpipe.posthog.persons import person_of
from leadpipe.settings import Settings
from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog.builders import FakeClock, client
from leadpipe_tests.posthog_sandbox.asking import rows
from posthog_sandbox.process import SandboxProcess

KEY = "phc_s3cretOfTheTests0123456789"
MSISDN = "2348035550001"
AT = NOW - timedelta(hours=2)


def event(number: int = 1, **fields: Any) -> Event:
    """A winner's event."""
    made = Event(
        uuid=event_uuid("draw_winner", "2026-11-21", str(number)),
        event="draw_winner",
        distinct_id=MSISDN,
        timestamp=AT,
        properties={"draw_id": "2026-11-21", "prize_value": 5000, "is_runner_up": False},
    )
    return replace(made, **fields)


@pytest.fixture
def capture(sandbox: SandboxProcess) -> Iterator[Capture]:
    """A sender to the empty sandbox."""
    with Capture(host=sandbox.url, project_api_key=SecretStr(KEY)) as found:
        yield found


@pytest.fixture
def posthog(sandbox: SandboxProcess) -> Iterator[PostHog]:
    """A client of the same sandbox whose waits take no time."""
    with client(host=sandbox.url, project_id="1", api_key=SecretStr(sandbox.api_key)) as found:
        yield found


def stored(sandbox: SandboxProcess) -> list[list[Any]]:
    return rows(
        sandbox,
        "SELECT toString(uuid), event, distinct_id, timestamp, properties.draw_id FROM events "
        "ORDER BY 1 LIMIT 999",
    )


def test_an_event_arrives_as_it_was_meant(sandbox, capture, posthog):
    """Uuid, name, distinct id, properties, and the very timestamp though the clocks differ."""
    assert capture.send([event()]) == CaptureReport(sent=(event().uuid,))
    assert stored(sandbox) == [
        [event().uuid, "draw_winner", MSISDN, "2026-11-21T10:00:00Z", "2026-11-21"]
    ]
    assert verify_captured(posthog, [event().uuid], since=AT) == ()


def test_sending_again_gives_posthog_nothing_new_to_count(sandbox, capture):
    """A repetition has the same uuid, name, distinct id and time, by which PostHog merges copies."""
    for _ in range(2):
        capture.send([event()])
    first, second = stored(sandbox)
    assert first == second


def test_many_events_go_in_requests_of_a_hundred(sandbox, capture, posthog):
    """All of them, in order, none twice."""
    events = [event(number) for number in range(250)]
    report = capture.send(events)
    assert report == CaptureReport(sent=tuple(one.uuid for one in events))
    batches = [one for one in sandbox.control.requests() if one["path"] == "/batch/"]
    assert len(batches) == 3
    assert sandbox.control.stats()["distinct"] == 250
    assert verify_captured(posthog, report.sent, since=AT) == ()


def test_nothing_to_send_is_no_request(sandbox, capture):
    """An empty list is done."""
    assert capture.send([]) == CaptureReport(sent=())
    assert sandbox.control.requests() == []


def test_a_person_gets_properties(sandbox, capture, posthog):
    """`$set`, `$set_once` and `$unset` in one event each."""
    capture.send([set_event(event_uuid("1"), MSISDN, AT, set_always={"points": 5, "old": 1})])
    change = set_event(
        event_uuid("2"), MSISDN, AT, set_once={"points": 6, "first": 1}, unset=["old"]
    )
    capture.send([change])
    found = person_of(posthog, MSISDN)
    assert found is not None
    assert found.properties == {"points": 5, "first": 1}


LATER = NOW + timedelta(hours=24)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"uuid": "order-17"}, "its uuid is none, and the SDK would make up another"),
        ({"uuid": event().uuid.upper()}, "its uuid is none"),
        ({"event": ""}, "its name must have 1 to 200 characters"),
        ({"event": "x" * 201}, "its name must have 1 to 200 characters"),
        ({"distinct_id": " "}, "its distinct id must have 1 to 200 characters"),
        ({"distinct_id": "9" * 201}, "its distinct id must have 1 to 200 characters"),
        ({"distinct_id": "Undefined"}, "PostHog drops events of that distinct id"),
        ({"timestamp": datetime(2026, 11, 21)}, "its timestamp has no time zone"),  # noqa: DTZ001
        ({"timestamp": LATER}, "is in the future; PostHog would use now"),
        ({"properties": {"big": "x" * LARGEST_EVENT_BYTES}}, "the SDK drops it"),
        ({"properties": {"n": float("nan")}}, "its properties are not plain JSON"),
        ({"properties": {"at": AT}}, "its properties are not plain JSON"),
    ],
)
def test_what_would_be_lost_in_silence_is_refused(sandbox, capture, wrong, says):
    """Before anything is sent, with the uuid and without personal data."""
    with pytest.raises(EventRefused) as caught:
        capture.send([event(1), event(2, **wrong)])
    assert says in str(caught.value)
    assert MSISDN not in str(caught.value)
    assert sandbox.control.requests() == []


@pytest.mark.parametrize("kind", ["unavailable_503", "reset"])
def test_a_passing_error_is_repeated_by_the_sdk(sandbox, capture, kind):
    """One of them changes nothing."""
    sandbox.control.fault(kind, match="/batch")
    assert capture.send([event()]) == CaptureReport(sent=(event().uuid,))


def test_what_was_not_sent_is_told(sandbox, capture, posthog, caplog):
    """Earlier requests count; the rest is unsent, with the reason; nothing is logged."""
    caplog.set_level(logging.DEBUG)
    sandbox.control.fault("unauthorized_401", match="/batch", times=-1, after=1)
    events = [event(number) for number in range(300)]
    report = capture.send(events)
    uuids = tuple(one.uuid for one in events)
    assert (report.sent, report.unsent) == (uuids[:100], uuids[100:])
    assert report.reason is not None
    assert report.reason.startswith("APIError: [PostHog] Personal API key found")
    assert verify_captured(posthog, uuids, since=AT, deadline_seconds=0) == uuids[100:]
    assert KEY not in caplog.text + repr(report) + repr(capture)
    assert MSISDN not in caplog.text + repr(report) + repr(events)
    sandbox.control.clear_faults()
    assert capture.send([event(number) for number in range(100, 300)]).unsent == ()
    assert verify_captured(posthog, uuids, since=AT) == ()


def test_a_host_that_never_answers_does_not_hold_us(caplog):
    """After `flush_seconds` the events count as unsent, and closing does not wait."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with Capture(
            host=address, project_api_key=SecretStr(KEY), timeout_seconds=5, flush_seconds=0.3
        ) as capture:
            report = capture.send([event()])
    assert report == CaptureReport(
        sent=(), unsent=(event().uuid,), reason=f"{address} had not answered after 0.3 s"
    )
    assert caplog.text == ""


def test_events_that_show_late_are_waited_for(sandbox, capture, posthog):
    """PostHog shows an event some time after it answered 200."""
    sandbox.control.ingest_delay(30)
    capture.send([event()])
    clock = FakeClock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        sandbox.control.set_clock(NOW + timedelta(seconds=clock.now - 1000))

    assert verify_captured(posthog, [event().uuid], since=AT, clock=clock, sleep=sleep) == ()
    assert 30 <= sum(clock.sleeps) <= 45


def test_events_that_never_come_are_named_in_order(sandbox, capture, posthog):
    """At the deadline, which is not passed."""
    capture.send([event(2)])
    clock = FakeClock()
    asked = [event(number).uuid for number in (3, 2, 1)]
    missing = verify_captured(
        posthog, asked, since=AT, deadline_seconds=3, clock=clock, sleep=clock.sleep
    )
    assert missing == (asked[0], asked[2])
    assert sum(clock.sleeps) == 3


def test_events_before_the_bound_are_not_looked_for(capture, posthog):
    """`since` keeps the query from reading all history."""
    capture.send([event()])
    missing = verify_captured(
        posthog, [event().uuid], since=AT + timedelta(hours=1), deadline_seconds=0
    )
    assert missing == (event().uuid,)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_a_uuid_stands_for_its_parts(left, right):
    """Equal parts, equal uuid; other parts, another one, wherever they are divided."""
    assert (event_uuid(*left) == event_uuid(*right)) == (left == right)
    assert UUID(event_uuid(*left)).version == 5


def test_a_uuid_never_changes_between_versions():
    """Events of years ago must not be sent again under another id."""
    assert event_uuid("draw_winner", "2026-11-21", "1") == "0674d95e-8755-59ed-ad41-1119dd1fa65f"


@pytest.mark.parametrize("key", ["", "  ", "phx_personal", "phs_secret", "phc_a b", "p" * 65])
def test_only_a_project_key_can_send(key):
    """A personal key would be refused by PostHog; it is not shown."""
    with pytest.raises(ConfigurationError, match="it starts with phc_") as caught:
        Capture(host="https://eu.posthog.com", project_api_key=SecretStr(key))
    assert not key.strip() or key not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "takes_events"),
    [
        ("https://us.posthog.com", "https://us.i.posthog.com"),
        ("https://app.posthog.com", "https://us.i.posthog.com"),
        ("https://eu.posthog.com", "https://eu.i.posthog.com"),
        ("https://posthog.example.com", "https://posthog.example.com"),
        ("http://127.0.0.1:8010", "http://127.0.0.1:8010"),
    ],
)
def test_events_go_to_the_host_that_takes_them(host, takes_events):
    """PostHog Cloud has hosts of its own for them."""
    assert capture_host(host) == takes_events


def test_capture_is_configured_by_settings(sandbox: SandboxProcess, settings: Settings):
    """The setting that is missing is named; with it, events arrive."""
    without = settings.model_copy(update={"posthog_project_api_key": None})
    with pytest.raises(ConfigurationError, match="POSTHOG_PROJECT_API_KEY not set"):
        connect_capture(without)
    assert sandbox.project_api_key not in repr(settings)
    with connect_capture(settings) as capture:
        capture.send([event()])
    assert len(stored(sandbox)) == 1


def test_several_threads_can_share_a_sender(sandbox, capture, posthog):
    """Each gets the report of its own events."""
    reports: dict[int, CaptureReport] = {}

    def send(start: int) -> None:
        reports[start] = capture.send([event(start + number) for number in range(20)])

    threads = [threading.Thread(target=send, args=(start,)) for start in (0, 20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for start, report in reports.items():
        assert report.sent == tuple(event(start + number).uuid for number in range(20))
    assert sandbox.control.stats()["distinct"] == 60
