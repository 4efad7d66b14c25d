"""Capture: every body that PostHog's clients really sent, and what becomes of an event."""

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog_sandbox.asking import HTTP, TOKEN, rows, send
from posthog_sandbox.capture_time import event_time, read_date
from posthog_sandbox.process import SandboxProcess

_RECORDED = Path(__file__).parents[1] / "recorded"
_FILES = sorted(
    path.relative_to(_RECORDED).as_posix()
    for folder in ("py_sdk", "node", "js")
    for path in (_RECORDED / folder).glob("*.json")
)
_SKIPPED_HEADERS = {"host", "content-length", "connection", "accept-encoding"}


def _recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_RECORDED / name).read_text())
    return found


def _headers(recorded: dict[str, Any]) -> dict[str, str]:
    return {
        name: value
        for name, value in recorded["headers"].items()
        if name.lower() not in _SKIPPED_HEADERS
    }


@pytest.mark.parametrize("name", _FILES)
def test_recorded_requests_are_answered_and_kept(sandbox: SandboxProcess, name: str) -> None:
    """Same path, same headers, same compression; every event of the batch arrives with its uuid."""
    recorded = _recorded(name)
    if recorded["method"] == "GET":
        response = HTTP.get(f"{sandbox.url}{recorded['path']}", headers=_headers(recorded))
        assert response.status_code == (404 if "favicon" in name else 200)
        return
    # posthog-js sends gzip as text/plain, without a Content-Encoding.
    is_marked = "content-encoding" in {header.lower() for header in recorded["headers"]}
    packed = is_marked or name.startswith("js/")
    response = send(
        sandbox, recorded["path"], recorded["body"], headers=_headers(recorded), packed=packed
    )
    assert response.status_code == 200, response.text
    batch = recorded["body"].get("batch", [])
    columns = "toString(uuid), event, distinct_id, properties"
    found = {row[0]: row[1:] for row in rows(sandbox, f"SELECT {columns} FROM events LIMIT 999")}
    assert sorted(found) == sorted(event["uuid"] for event in batch)
    for event in batch:
        name_, distinct_id, properties = found[event["uuid"]]
        assert name_ == event["event"]
        assert distinct_id == event.get("distinct_id", event["properties"].get("distinct_id"))
        kept = json.loads(properties)
        extra = {key: event[key] for key in ("$set", "$set_once") if key in event}
        assert kept == {**event["properties"], **extra}


def test_there_is_something_recorded() -> None:
    """The folder was not lost."""
    assert len(_FILES) == 20


def _event(**fields: Any) -> dict[str, Any]:
    return {"event": "e", "distinct_id": "anna", "properties": {}, **fields}


def _captured(sandbox: SandboxProcess) -> list[list[Any]]:
    return rows(sandbox, "SELECT event, distinct_id FROM events ORDER BY 1, 2 LIMIT 99")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/e/", {"status": "Ok"}),
        ("/e", {"status": "Ok"}),
        ("/capture/", {"status": "Ok"}),
        ("/batch/", {"status": "Ok"}),
        ("/i/v0/e/", {"status": "Ok"}),
        ("/track/", {"status": 1}),
        ("/engage/", {"status": 1}),
    ],
)
def test_every_address_takes_one_event(
    sandbox: SandboxProcess, path: str, answer: dict[str, Any]
) -> None:
    """A single event as the body, with its own api_key."""
    response = send(sandbox, path, _event(api_key=TOKEN))
    assert (response.status_code, response.json()) == (200, answer)
    assert _captured(sandbox) == [["e", "anna"]]


def test_the_newest_protocol_answers_for_each_event(sandbox: SandboxProcess) -> None:
    """`/i/v1/analytics/events` takes the token as Bearer and gives a verdict by uuid."""
    good, bad = str(uuid.uuid4()), str(uuid.uuid4())
    body = {"batch": [_event(uuid=good), {"uuid": bad, "distinct_id": "anna"}]}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    response = send(sandbox, "/i/v1/analytics/events", body, headers=headers)
    assert response.json() == {"results": {good: {"result": "ok"}, bad: {"result": "drop"}}}
    assert _captured(sandbox) == [["e", "anna"]]


def _forms() -> dict[str, tuple[bytes, str, bool]]:
    text = json.dumps({"api_key": TOKEN, "batch": [_event()]})
    in_base64 = base64.b64encode(text.encode()).decode()
    return {
        "json": (text.encode(), "", False),
        "gzip": (text.encode(), "", True),
        "a list": (json.dumps([_event(properties={"token": TOKEN})]).encode(), "", False),
        "base64": (in_base64.encode(), "", False),
        "a form": (f"data={quote(in_base64)}".encode(), "", False),
        "a form, unpadded": (f"data={quote(in_base64.rstrip('='))}".encode(), "", False),
        "a form of json": (f"data={quote(text)}".encode(), "", False),
        "the address": (b"", f"?data={quote(in_base64)}&ip=1", False),
        "a token in the address": (json.dumps([_event()]).encode(), f"?token={TOKEN}", False),
    }


@pytest.mark.parametrize("form", list(_forms()))
def test_every_form_of_body_is_read(sandbox: SandboxProcess, form: str) -> None:
    """JSON, gzip with and without a mark, base64, urlencoded forms, GET parameters."""
    body, query, packed = _forms()[form]
    response = send(sandbox, f"/e/{query}", body, packed=packed, headers={"Content-Type": "x/y"})
    assert (response.status_code, response.json()) == (200, {"status": "Ok"})
    assert _captured(sandbox) == [["e", "anna"]]


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (_event(), 401, "event submitted without an api_key"),
        (_event(api_key="phx_personal"), 401, "API key is not valid: personal_api_key"),
        (_event(api_key="not a token"), 401, "API key is not valid: not_ascii"),
        (b"%%%", 400, None),
        (b'{"api_key": "phc_x", ', 400, None),
    ],
)
def test_bad_requests_are_refused(
    sandbox: SandboxProcess, body: object, status: int, text: str | None
) -> None:
    """401 for the token, 400 for the body."""
    response = send(sandbox, "/e/", body)
    assert response.status_code == status
    assert text is None or response.text == text
    assert _captured(sandbox) == []


@pytest.mark.parametrize(
    "dropped",
    [
        {"distinct_id": "anna", "properties": {}},
        {"event": "", "distinct_id": "anna"},
        {"event": 5, "distinct_id": "anna"},
        {"event": "e", "properties": {}},
        {"event": "e", "distinct_id": ""},
        {"event": "e", "distinct_id": "  "},
        {"event": "e", "distinct_id": "undefined"},
        {"event": "e", "distinct_id": "NULL"},
        {"event": "e", "distinct_id": {"a": 1}},
        {"event": "e", "distinct_id": "anna", "properties": {"big": "x" * 1024 * 1024}},
    ],
)
def test_dropped_events_get_200_all_the_same(
    sandbox: SandboxProcess, dropped: dict[str, Any]
) -> None:
    """Nobody tells the sender; the rest of the batch is kept."""
    response = send(sandbox, "/batch/", {"api_key": TOKEN, "batch": [dropped, _event()]})
    assert (response.status_code, response.json()) == (200, {"status": "Ok"})
    assert _captured(sandbox) == [["e", "anna"]]


def test_an_invalid_uuid_becomes_a_random_one(sandbox: SandboxProcess) -> None:
    """So whoever verifies by uuid does not find the event."""
    send(sandbox, "/e/", _event(api_key=TOKEN, uuid="order-17"))
    ((found,),) = rows(sandbox, "SELECT toString(uuid) FROM events LIMIT 9")
    assert uuid.UUID(found).version == 4


def test_a_number_is_a_distinct_id(sandbox: SandboxProcess) -> None:
    """As text; and one in the properties counts."""
    send(sandbox, "/e/", _event(api_key=TOKEN, distinct_id=17))
    send(sandbox, "/e/", {"api_key": TOKEN, "event": "e", "properties": {"distinct_id": "inside"}})
    assert _captured(sandbox) == [["e", "17"], ["e", "inside"]]


def test_captured_events_have_the_servers_created_at(sandbox: SandboxProcess) -> None:
    """The held clock, in milliseconds."""
    sandbox.control.set_clock(NOW.replace(microsecond=123456))
    send(sandbox, "/e/", _event(api_key=TOKEN, timestamp="2026-11-01T10:00:00.5Z"))
    assert rows(sandbox, "SELECT timestamp, created_at FROM events LIMIT 1") == [
        ["2026-11-01T10:00:00.500000Z", "2026-11-21T12:00:00.123000Z"]
    ]


def test_captured_events_can_become_visible_later(sandbox: SandboxProcess) -> None:
    """PostHog's pipeline takes its time."""
    sandbox.control.ingest_delay(20)
    send(sandbox, "/e/", _event(api_key=TOKEN))
    assert _captured(sandbox) == []
    sandbox.control.set_clock(NOW + timedelta(seconds=20))
    assert _captured(sandbox) == [["e", "anna"]]


_NOW_TEXT = "2026-11-21T12:00:00+00:00"


@pytest.mark.parametrize(
    ("fields", "sent_at", "expected"),
    [
        ({}, None, _NOW_TEXT),
        ({"timestamp": "2026-11-01T10:00:00.5Z"}, None, "2026-11-01T10:00:00.500000+00:00"),
        ({"timestamp": "2026-11-01T10:00:00+02:00"}, None, "2026-11-01T08:00:00+00:00"),
        ({"timestamp": "2026-11-01T10:00:00"}, None, "2026-11-01T10:00:00+00:00"),
        ({"timestamp": "2026-11-01"}, None, "2026-11-01T00:00:00+00:00"),
        ({"timestamp": "nonsense"}, None, _NOW_TEXT),
        # The client's clock is an hour ahead: ten seconds before it sent the event.
        (
            {"timestamp": "2026-11-21T12:59:50Z"},
            "2026-11-21T13:00:00Z",
            "2026-11-21T11:59:50+00:00",
        ),
        ({"timestamp": "2026-11-01T10:00:00Z"}, "nonsense", "2026-11-01T10:00:00+00:00"),
        (
            {"timestamp": "2026-11-21T12:59:50Z", "properties": {"$ignore_sent_at": True}},
            "2026-11-21T13:00:00Z",
            "2026-11-21T12:59:50+00:00",
        ),
        ({"offset": 5000}, None, "2026-11-21T11:59:55+00:00"),
        ({"properties": {"$time": 1795234325.87}}, None, "2026-11-21T04:12:05.870000+00:00"),
        ({"timestamp": "2026-11-22T10:00:00Z"}, None, "2026-11-22T10:00:00+00:00"),
        ({"timestamp": "2026-11-22T11:00:01Z"}, None, _NOW_TEXT),
        ({"timestamp": "2099-01-01T00:00:00Z"}, None, _NOW_TEXT),
    ],
)
def test_times_follow_posthogs_rules(
    fields: dict[str, Any], sent_at: str | None, expected: str
) -> None:
    """Skew, offset, $time, naive, unreadable and far too late."""
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert event_time(fields, sent_at=sent_at, now=now).isoformat() == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1795234325, "2026-11-21T04:12:05+00:00"),
        (1795234325870, "2026-11-21T04:12:05.870000+00:00"),
        ("1795234325870", "2026-11-21T04:12:05.870000+00:00"),
        ("11/21/2026", "2026-11-21T00:00:00+00:00"),
        ("2026/11/21 10:00:00", "2026-11-21T10:00:00+00:00"),
        ("Sat, 21 Nov 2026 10:00:00 +0100", "2026-11-21T09:00:00+00:00"),
        (True, None),
        (None, None),
        ("99999-01-01", None),
        (1e300, None),
    ],
)
def test_dates_come_in_many_forms(value: object, expected: str | None) -> None:
    """Unix seconds and milliseconds, slashes, RFC 2822."""
    found = read_date(value)
    assert (found and found.isoformat()) == expected


def _people(sandbox: SandboxProcess) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for distinct_id, person in rows(
        sandbox, "SELECT DISTINCT distinct_id, toString(person_id) FROM events ORDER BY 1 LIMIT 99"
    ):
        grouped.setdefault(person, []).append(distinct_id)
    return grouped


def test_identify_joins_the_past_of_a_device_to_its_user(sandbox: SandboxProcess) -> None:
    """Events before the login get the user's person, at query time."""
    send(sandbox, "/e/", _event(api_key=TOKEN, distinct_id="device-1"))
    send(sandbox, "/e/", _event(api_key=TOKEN, distinct_id="device-2"))
    login = _event(
        api_key=TOKEN,
        event="$identify",
        distinct_id="anna",
        properties={"$anon_distinct_id": "device-1", "$set": {"email": "anna@example.com"}},
    )
    send(sandbox, "/e/", login)
    assert sorted(_people(sandbox).values()) == [["anna", "device-1"], ["device-2"]]
    assert rows(sandbox, "SELECT DISTINCT person.properties.email FROM events ORDER BY 1") == [
        ["anna@example.com"],
        [None],
    ]
    assert rows(sandbox, "SELECT count(), countIf(is_identified) FROM persons") == [[2, 1]]


def test_an_identified_person_is_not_swallowed(sandbox: SandboxProcess) -> None:
    """Two users on one device stay two; only $merge_dangerously merges them."""
    for user in ("anna", "ben"):
        properties = {"$anon_distinct_id": "device-1"}
        event = _event(event="$identify", distinct_id=user, properties=properties)
        send(sandbox, "/e/", {**event, "api_key": TOKEN})
    assert len(_people(sandbox)) == 2
    merge = _event(event="$merge_dangerously", distinct_id="anna", properties={"alias": "ben"})
    send(sandbox, "/e/", {**merge, "api_key": TOKEN})
    assert list(_people(sandbox).values()) == [["anna", "ben"]]


def test_an_alias_is_the_same_person(sandbox: SandboxProcess) -> None:
    """`$create_alias` merges the alias into the event's distinct id."""
    send(sandbox, "/e/", _event(api_key=TOKEN, distinct_id="old"))
    alias = _event(event="$create_alias", distinct_id="new", properties={"alias": "old"})
    send(sandbox, "/e/", {**alias, "api_key": TOKEN})
    assert list(_people(sandbox).values()) == [["new", "old"]]


def test_generated_people_stay_who_they_are(sandbox: SandboxProcess) -> None:
    """A captured event of a generated person belongs to that person."""
    sandbox.control.set_clock(NOW + timedelta(days=9))
    sandbox.control.generate(500, days=3, end=NOW)
    wanted = "SELECT distinct_id, toString(person_id) FROM events WHERE event = '$pageview' LIMIT 1"
    ((distinct_id, person),) = rows(sandbox, wanted)
    send(sandbox, "/e/", _event(api_key=TOKEN, event="new", distinct_id=distinct_id))
    assert rows(sandbox, "SELECT toString(person_id) FROM events WHERE event = 'new'") == [[person]]


def test_properties_of_persons_follow_set_and_set_once(sandbox: SandboxProcess) -> None:
    """$set wins over what is known, $set_once does not."""
    for plan in ("free", "pro"):
        properties = {"$set": {"plan": plan}, "$set_once": {"first": plan}}
        send(sandbox, "/e/", _event(api_key=TOKEN, properties=properties))
    person = "SELECT DISTINCT person.properties.plan, person.properties.first FROM events"
    assert rows(sandbox, person) == [["pro", "free"]]
    assert rows(sandbox, "SELECT properties.plan FROM persons") == [["pro"]]


def test_browsers_may_ask_from_anywhere(sandbox: SandboxProcess) -> None:
    """CORS, before and with the request."""
    response = HTTP.options(f"{sandbox.url}/e/")
    assert response.headers["access-control-allow-origin"] == "*"
    assert HTTP.get(f"{sandbox.url}/array/{TOKEN}/config").json()["token"] == TOKEN
    flags = send(sandbox, "/flags/?v=2", {"token": TOKEN, "distinct_id": "anna"})
    assert (flags.status_code, flags.json()["flags"]) == (200, {})
    assert send(sandbox, "/s/", b"anything").status_code == 200
    assert send(sandbox, "/e/?beacon=1", _event(api_key=TOKEN)).status_code == 204
