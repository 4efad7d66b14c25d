"""The levers: rows as given, clocks, visibility, persons, counts, the log, projects and keys."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog_sandbox.asking import HTTP, ask, rows
from posthog_sandbox.process import SandboxProcess

_AT = datetime.fromisoformat("2026-11-01T10:00:00.123456+00:00")
_PERSON = "00000000-0000-4000-8000-00000000aaaa"


def test_rows_are_stored_exactly_as_given(sandbox: SandboxProcess) -> None:
    """Every column, and properties verbatim even if they are no JSON."""
    event = {
        "uuid": "00000000-0000-4000-8000-000000000001",
        "event": "odd 🏡",
        "timestamp": _AT,
        "created_at": "2026-11-01T10:00:09Z",
        "distinct_id": "d'1\\",
        "person_id": _PERSON,
        "properties": '{"a": 1, "a": 2,, broken',
    }
    assert sandbox.control.insert([event]) == [event["uuid"]]
    columns = "uuid, event, timestamp, created_at, distinct_id, person_id, properties"
    assert rows(sandbox, f"SELECT {columns} FROM events LIMIT 1") == [
        [
            event["uuid"],
            "odd 🏡",
            "2026-11-01T10:00:00.123456Z",
            "2026-11-01T10:00:09Z",
            "d'1\\",
            _PERSON,
            '{"a": 1, "a": 2,, broken',
        ]
    ]


def test_what_is_left_out_has_defaults(sandbox: SandboxProcess) -> None:
    """created_at is the timestamp; same distinct id, same person."""
    sandbox.control.insert([{"event": "e", "timestamp": _AT, "distinct_id": "x"}] * 2)
    found = rows(sandbox, "SELECT uuid, created_at, person_id, properties FROM events LIMIT 9")
    (first, created, person, properties), (second, *rest) = found
    assert first != second
    assert (created, properties) == ("2026-11-01T10:00:00.123456Z", "{}")
    assert rest == [created, person, properties]


def test_a_uuid_given_twice_stays_twice(sandbox: SandboxProcess) -> None:
    """ClickHouse has not merged yet, and never will here."""
    event = {"event": "e", "timestamp": _AT, "uuid": str(uuid.uuid4())}
    sandbox.control.insert([event, event])
    sandbox.control.insert([event])
    assert rows(sandbox, "SELECT count(), uniqExact(uuid) FROM events") == [[3, 1]]


def test_naive_moments_are_utc(sandbox: SandboxProcess) -> None:
    """And other zones are converted."""
    sandbox.control.insert(
        [
            {"event": "a", "timestamp": "2026-11-01T10:00:00"},
            {"event": "b", "timestamp": "2026-11-01T10:00:00+01:00"},
        ]
    )
    assert rows(sandbox, "SELECT timestamp FROM events ORDER BY event LIMIT 2") == [
        ["2026-11-01T10:00:00Z"],
        ["2026-11-01T09:00:00Z"],
    ]


def test_rows_appear_when_they_become_visible(sandbox: SandboxProcess) -> None:
    """Out of the order of created_at, as in PostHog."""
    sandbox.control.insert(
        [
            {"event": "early", "timestamp": NOW, "visible_at": NOW + timedelta(seconds=60)},
            {"event": "late", "timestamp": NOW, "created_at": NOW + timedelta(seconds=30)},
        ]
    )
    seen = []
    for seconds in (0, 30, 60):
        sandbox.control.set_clock(NOW + timedelta(seconds=seconds))
        seen.append(rows(sandbox, "SELECT event FROM events ORDER BY event LIMIT 9"))
    assert seen == [[], [["late"]], [["early"], ["late"]]]


def test_the_clock_stands_where_it_is_held(sandbox: SandboxProcess) -> None:
    """now() in HogQL is the held moment."""
    assert rows(sandbox, "SELECT now()") == [["2026-11-21T12:00:00Z"]]


def test_the_clock_is_the_machines_otherwise(machine_clock: None, sandbox: SandboxProcess) -> None:
    """now() in HogQL is between the moments before and after."""
    before = datetime.now(UTC).replace(microsecond=0)
    ((now,),) = rows(sandbox, "SELECT now()")
    assert before <= datetime.fromisoformat(now) <= datetime.now(UTC)


def test_renamed_persons_are_resolved_at_query_time(sandbox: SandboxProcess) -> None:
    """Past events too, and events to come."""
    sandbox.control.insert(
        [{"event": "e", "timestamp": _AT, "distinct_id": name} for name in ("anna", "ben")]
    )
    sandbox.control.rename_person("anna", _PERSON)
    sandbox.control.insert([{"event": "f", "timestamp": _AT, "distinct_id": "anna"}])
    found = rows(sandbox, "SELECT distinct_id, event, person_id FROM events ORDER BY 1, 2 LIMIT 9")
    assert [row for row in found if row[0] == "anna"] == [
        ["anna", "e", _PERSON],
        ["anna", "f", _PERSON],
    ]
    assert [row[2] != _PERSON for row in found if row[0] == "ben"] == [True]


def test_merged_persons_are_one(sandbox: SandboxProcess) -> None:
    """All distinct ids of the merged person move."""
    both = [("anna", _PERSON), ("annas phone", _PERSON), ("user_1", str(uuid.uuid4()))]
    sandbox.control.insert(
        [
            {"event": "e", "timestamp": _AT, "distinct_id": name, "person_id": person}
            for name, person in both
        ]
    )
    assert rows(sandbox, "SELECT count(DISTINCT person_id) FROM events") == [[2]]
    sandbox.control.merge_persons("user_1", "anna")
    assert rows(sandbox, "SELECT DISTINCT person_id FROM events") == [[both[2][1]]]


def test_stats_count_what_is_stored(sandbox: SandboxProcess) -> None:
    """Rows and uuids of all, events and days of the visible."""
    twice = {"event": "a", "timestamp": _AT, "uuid": str(uuid.uuid4())}
    hidden = {"event": "b", "timestamp": NOW, "visible_at": NOW + timedelta(days=1)}
    sandbox.control.insert([twice, twice, hidden])
    assert sandbox.control.stats() == {
        "rows": 3,
        "visible": 2,
        "distinct": 2,
        "by_event": {"a": 2},
        "by_day": {"2026-11-01": 2},
    }


def test_the_log_knows_every_request_but_our_own(sandbox: SandboxProcess) -> None:
    """Path, name, text, status, rows and times of each."""
    ask(sandbox, "SELECT arrayJoin([1, 2])", name="two rows")
    ask(sandbox, "SELECT nope FROM events", name="a mistake")
    HTTP.get(f"{sandbox.url}/_health")
    sandbox.control.stats()
    log: list[dict[str, Any]] = [dict(entry) for entry in sandbox.control.requests()]
    for entry in log:
        assert 0 < entry.pop("seconds") < 10
        assert datetime.fromisoformat(entry.pop("started_at")).tzinfo is not None
    path = "/api/projects/1/query/"
    assert log == [
        {
            "path": path,
            "name": "two rows",
            "query": "SELECT arrayJoin([1, 2])",
            "status": 200,
            "rows": 2,
        },
        {
            "path": path,
            "name": "a mistake",
            "query": "SELECT nope FROM events",
            "status": 400,
            "rows": None,
        },
        {"path": "/_health", "name": None, "query": None, "status": 200, "rows": None},
    ]
    sandbox.control.clear_requests()
    assert sandbox.control.requests() == []


def test_reset_forgets_everything(sandbox: SandboxProcess) -> None:
    """Events, persons, faults, cache, log, limits, clock, scopes, slowness."""
    sandbox.control.insert([{"event": "e", "timestamp": _AT, "distinct_id": "anna"}])
    sandbox.control.rename_person("anna", _PERSON)
    ask(sandbox, "SELECT count() FROM events", refresh=None)
    sandbox.control.fault("server_error_500", times=-1)
    sandbox.control.limits(per_minute=0)
    sandbox.control.scopes("project:read")
    sandbox.control.slow_windows(0)
    sandbox.control.reset()
    assert sandbox.control.requests() == []
    assert rows(sandbox, "SELECT count() FROM events", refresh=None) == [[0]]
    sandbox.control.insert([{"event": "e", "timestamp": _AT, "distinct_id": "anna"}])
    ((person,),) = rows(sandbox, "SELECT person_id FROM events LIMIT 1")
    assert person != _PERSON
    with pytest.raises(ValueError, match="Nothing was generated since the last reset"):
        sandbox.control.truth()


def test_reset_is_fast(sandbox: SandboxProcess) -> None:
    """Tests call it all the time: well below 100 ms with a thousand events."""
    sandbox.control.insert([{"event": "e", "timestamp": _AT}] * 1000)
    response = HTTP.post(f"{sandbox.url}/_sandbox/reset")
    assert response.elapsed < timedelta(milliseconds=100)


def test_mistakes_in_levers_are_told(sandbox: SandboxProcess) -> None:
    """A ValueError with the server's words."""
    with pytest.raises(ValueError, match="refused /_sandbox/insert: KeyError: 'timestamp'"):
        sandbox.control.insert([{"event": "e"}])


def _get(sandbox: SandboxProcess, path: str) -> httpx.Response:
    key = {"Authorization": f"Bearer {sandbox.api_key}"}
    return HTTP.get(f"{sandbox.url}{path}", headers=key)


def test_the_project_tells_its_zone(sandbox: SandboxProcess) -> None:
    """`GET /api/projects/{id}/`, with the scope project:read."""
    project = _get(sandbox, "/api/projects/1/").json()
    wanted = ("id", "name", "timezone", "api_token")
    assert [project[key] for key in wanted] == [1, "Sandbox", "UTC", "phc_sandbox"]
    sandbox.control.scopes("query:read")
    assert _get(sandbox, "/api/projects/1/").json()["detail"] == (
        "API key missing required scope 'project:read'"
    )


def test_a_key_tells_its_own_scopes(sandbox: SandboxProcess) -> None:
    """`GET /api/personal_api_keys/@current/` needs no scope."""
    path = "/api/personal_api_keys/@current/"
    assert _get(sandbox, path).json()["scopes"] == ["*"]
    sandbox.control.scopes("query:read", "project:read")
    assert _get(sandbox, path).json()["scopes"] == ["query:read", "project:read"]


def test_the_user_has_the_project(sandbox: SandboxProcess) -> None:
    """`GET /api/users/@me/`."""
    team = _get(sandbox, "/api/users/@me/").json()["team"]
    expected = {"id": 1, "name": "Sandbox", "timezone": "UTC", "api_token": "phc_sandbox"}
    assert team == expected


def test_health_and_preflight_answer(sandbox: SandboxProcess) -> None:
    """What load balancers and installers ask."""
    assert _get(sandbox, "/_health").text == "ok"
    assert _get(sandbox, "/_preflight").json()["db"] is True


def test_unknown_addresses_are_not_found(sandbox: SandboxProcess) -> None:
    """404 with PostHog's body."""
    assert _get(sandbox, "/api/nothing/").json() == {
        "type": "invalid_request",
        "code": "not_found",
        "detail": "Endpoint not found.",
        "attr": None,
    }
