"""The query endpoint: the shape of its answers, and every trap of PostHog's."""

import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog_sandbox.asking import HTTP, ask, refusal, rows
from posthog_sandbox.hogql import OFFSET_REFUSED
from posthog_sandbox.process import SandboxProcess

_AN_EVENT = {"event": "lead", "timestamp": "2026-11-01T10:00:00.123456Z", "uuid": "1" * 32}
_EVENT_ID = "11111111-1111-1111-1111-111111111111"
_SLOW = (
    "SELECT count() FROM (SELECT arrayJoin(range(60000)) AS a) AS x "
    "CROSS JOIN (SELECT arrayJoin(range(60000)) AS b) AS y WHERE a + b > 3"
)


def test_an_answer_has_all_of_posthogs_keys(sandbox: SandboxProcess) -> None:
    """The envelope is PostHog's, with times and SQL that only need to be there."""
    sandbox.control.insert([_AN_EVENT])
    body = ask(sandbox, "SELECT toString(uuid) AS uuid, event, timestamp FROM events").json()
    assert body.pop("last_refresh").endswith("Z")
    assert body.pop("clickhouse").startswith("SELECT toString(")
    assert body.pop("cache_key").startswith("cache_")
    assert body == {
        "cache_target_age": None,
        "calculation_trigger": None,
        "columns": ["uuid", "event", "timestamp"],
        "error": None,
        "explain": None,
        "hasMore": False,
        "hogql": "SELECT toString(uuid) AS uuid, event, timestamp FROM events",
        "is_cached": False,
        "limit": 100,
        "metadata": None,
        "modifiers": {"convertToProjectTimezone": False},
        "next_allowed_client_refresh": None,
        "offset": 0,
        "query": "SELECT toString(uuid) AS uuid, event, timestamp FROM events",
        "query_status": None,
        "results": [[_EVENT_ID, "lead", "2026-11-01T10:00:00.123456Z"]],
        "timezone": "UTC",
        "timings": [],
        "types": [
            ["uuid", "String"],
            ["event", "String"],
            ["timestamp", "DateTime64(6, 'UTC')"],
        ],
    }


@pytest.mark.parametrize(
    "path",
    [
        "/api/projects/1/query/",
        "/api/projects/1/query",
        "/api/projects/@current/query/",
        "/api/environments/1/query/",
        "/api/environments/1/query",
    ],
)
def test_every_address_of_the_endpoint_answers(sandbox: SandboxProcess, path: str) -> None:
    """Projects and environments, with and without the last slash."""
    assert ask(sandbox, "SELECT 1", path=path).json()["results"] == [[1]]


def test_without_limit_100_rows_come_and_a_sign_that_there_are_more(
    sandbox: SandboxProcess,
) -> None:
    """PostHog adds LIMIT 100 and hasMore; the clients that miss it lose rows."""
    body = ask(sandbox, "SELECT arrayJoin(range(250)) AS n").json()
    assert (len(body["results"]), body["results"][-1], body["hasMore"]) == (100, [99], True)
    assert (body["limit"], body["offset"]) == (100, 0)


def test_exactly_100_rows_are_not_more(sandbox: SandboxProcess) -> None:
    """PostHog looks one row ahead."""
    body = ask(sandbox, "SELECT arrayJoin(range(100)) AS n").json()
    assert (len(body["results"]), body["hasMore"]) == (100, False)


def test_an_explicit_limit_gives_no_sign_of_more(sandbox: SandboxProcess) -> None:
    """Neither hasMore nor limit nor offset are in the answer."""
    body = ask(sandbox, "SELECT arrayJoin(range(250)) AS n LIMIT 10").json()
    assert len(body["results"]) == 10
    assert {"hasMore", "limit", "offset"} & set(body) == set()


def test_a_limit_over_50000_is_capped_in_silence(sandbox: SandboxProcess) -> None:
    """60,000 asked for, 50,000 given, no word about it."""
    body = ask(sandbox, "SELECT arrayJoin(range(60000)) AS n LIMIT 60000").json()
    assert len(body["results"]) == 50_000
    assert "hasMore" not in body


@pytest.mark.parametrize(
    "hogql",
    [
        "SELECT event FROM events LIMIT 5 OFFSET 5",
        "SELECT event FROM events LIMIT 5 OFFSET 0",
        "SELECT a FROM (SELECT 1 AS a LIMIT 1 OFFSET 1)",
        "SELECT event FROM events WHERE uuid IN (SELECT uuid FROM events LIMIT 1 OFFSET 1)",
    ],
)
def test_offset_is_refused_wherever_it_stands(sandbox: SandboxProcess, hogql: str) -> None:
    """API keys must page by keyset."""
    expected = (400, "validation_error", "invalid_input", OFFSET_REFUSED)
    assert refusal(ask(sandbox, hogql)) == expected


@pytest.mark.parametrize("refresh", [None, "blocking", "async", "lazy_async", "force_cache", False])
def test_identical_queries_get_the_old_answer_unless_forced(
    sandbox: SandboxProcess, refresh: str | bool | None
) -> None:
    """The trap that makes a sync report success and load nothing."""
    hogql = "SELECT count() FROM events"
    first = ask(sandbox, hogql, refresh=refresh).json()
    sandbox.control.insert([_AN_EVENT])
    second = ask(sandbox, hogql, refresh=refresh).json()
    assert (first["results"], first["is_cached"]) == ([[0]], False)
    assert second == {**first, "is_cached": True}


@pytest.mark.parametrize("refresh", ["force_blocking", "force_async", True])
def test_forced_queries_see_what_is_new(sandbox: SandboxProcess, refresh: str | bool) -> None:
    """refresh: force_blocking asks ClickHouse each time, and renews the cache."""
    hogql = "SELECT count() FROM events"
    ask(sandbox, hogql, refresh=None)
    sandbox.control.insert([_AN_EVENT])
    forced = ask(sandbox, hogql, refresh=refresh).json()
    assert (forced["results"], forced["is_cached"]) == ([[1]], False)
    assert ask(sandbox, hogql, refresh=None).json()["results"] == [[1]]


def test_other_values_are_another_query(sandbox: SandboxProcess) -> None:
    """The cache knows bound values apart."""
    assert rows(sandbox, "SELECT {n}", values={"n": 1}, refresh=None) == [[1]]
    assert rows(sandbox, "SELECT {n}", values={"n": 2}, refresh=None) == [[2]]


@pytest.mark.parametrize(
    ("headers", "code", "detail"),
    [
        ({}, "not_authenticated", "Authentication credentials were not provided."),
        (
            {"Authorization": "Bearer phx_other"},
            "authentication_failed",
            "Personal API key found in request Authorization header is invalid.",
        ),
        (
            {"Authorization": "Bearer phc_sandbox"},
            "authentication_failed",
            "Personal API key found in request Authorization header is invalid.",
        ),
    ],
)
def test_wrong_keys_are_refused(
    sandbox: SandboxProcess, headers: dict[str, str], code: str, detail: str
) -> None:
    """No key, another key, the project's public key: 401 each."""
    response = HTTP.post(f"{sandbox.url}/api/projects/1/query/", headers=headers, json={})
    assert refusal(response) == (401, "authentication_error", code, detail)


def test_a_missing_scope_is_named(sandbox: SandboxProcess) -> None:
    """403 with the scope that the key lacks."""
    sandbox.control.scopes("project:read")
    detail = "API key missing required scope 'query:read'"
    expected = (403, "authentication_error", "permission_denied", detail)
    assert refusal(ask(sandbox, "SELECT 1")) == expected


def test_a_scope_to_write_allows_to_read(sandbox: SandboxProcess) -> None:
    """As in PostHog."""
    sandbox.control.scopes("query:write")
    assert rows(sandbox, "SELECT 1") == [[1]]


def test_an_unknown_project_is_not_found(sandbox: SandboxProcess) -> None:
    """404 for another number."""
    response = ask(sandbox, "SELECT 1", path="/api/projects/2/query/")
    assert refusal(response) == (404, "invalid_request", "not_found", "Project not found.")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "parse_error"),
        (b"{}", "required"),
        (b'{"query": {"kind": "HogQLQuery"}}', "required"),
        (b'{"query": {"kind": "TrendsQuery"}}', "invalid_input"),
    ],
)
def test_bodies_that_are_no_query_are_refused(
    sandbox: SandboxProcess, body: bytes, code: str
) -> None:
    """400, whatever is wrong with them."""
    url = f"{sandbox.url}/api/projects/1/query/"
    key = {"Authorization": f"Bearer {sandbox.api_key}"}
    response = HTTP.post(url, headers=key, content=body)
    assert (response.status_code, response.json()["code"]) == (400, code)


def test_the_minutes_limit_says_when_to_come_back(sandbox: SandboxProcess) -> None:
    """429 by rate has Retry-After; refused requests do not count."""
    sandbox.control.limits(per_minute=2)
    assert [ask(sandbox, "SELECT 1").status_code for _ in range(4)] == [200, 200, 429, 429]
    refused = ask(sandbox, "SELECT 1")
    seconds = int(refused.headers["retry-after"])
    detail = f"Request was throttled. Expected available in {seconds} seconds."
    assert refusal(refused) == (429, "throttled_error", "throttled", detail)
    assert 50 <= seconds <= 60


def test_the_hours_limit_holds_too(sandbox: SandboxProcess) -> None:
    """The wait is up to an hour."""
    sandbox.control.limits(per_hour=1)
    assert ask(sandbox, "SELECT 1").status_code == 200
    assert 3500 <= int(ask(sandbox, "SELECT 1").headers["retry-after"]) <= 3600


def test_one_query_too_many_at_once_waits_and_then_is_refused(sandbox: SandboxProcess) -> None:
    """429 by concurrency has no Retry-After."""
    sandbox.control.limits(queries_at_once=1, queue_seconds=0.1, max_execution_seconds=4)
    answers: list[httpx.Response] = []
    slow = threading.Thread(target=lambda: answers.append(ask(sandbox, _SLOW)))
    slow.start()
    _wait_for_requests(sandbox, 1)
    refused = ask(sandbox, "SELECT 1")
    slow.join()
    assert (refused.status_code, refused.headers.get("retry-after")) == (429, None)
    assert refused.json()["detail"].startswith("Exceeded maximum concurrency limit: 1 for key: ")


def test_a_query_waits_for_its_place(sandbox: SandboxProcess) -> None:
    """PostHog holds a query back up to 30 seconds before it refuses."""
    sandbox.control.limits(queries_at_once=1, max_execution_seconds=0.3)
    slow = threading.Thread(target=lambda: ask(sandbox, _SLOW))
    slow.start()
    _wait_for_requests(sandbox, 1)
    assert rows(sandbox, "SELECT 1") == [[1]]
    slow.join()


def test_three_queries_run_side_by_side(sandbox: SandboxProcess) -> None:
    """Three places by default: a fast query overtakes two slow ones."""
    sandbox.control.limits(max_execution_seconds=0.5)
    slow = [threading.Thread(target=lambda: ask(sandbox, _SLOW)) for _ in range(2)]
    for thread in slow:
        thread.start()
    _wait_for_requests(sandbox, 2)
    assert rows(sandbox, "SELECT 1") == [[1]]
    assert any(thread.is_alive() for thread in slow)
    for thread in slow:
        thread.join()


def _wait_for_requests(sandbox: SandboxProcess, count: int) -> None:
    while len(sandbox.control.requests()) < count:
        pass


def test_limits_can_be_lifted_for_benchmarks(sandbox: SandboxProcess) -> None:
    """enforce=False counts nothing."""
    sandbox.control.limits(per_minute=1, enforce=False)
    assert [ask(sandbox, "SELECT 1").status_code for _ in range(3)] == [200, 200, 200]


_TIMED_OUT = (
    504,
    "server_error",
    "error",
    (
        "Query has hit the max execution time before completing. See our docs for how to improve "
        "your query performance. You may need to materialize."
    ),
)


def test_a_query_that_runs_too_long_is_stopped(sandbox: SandboxProcess) -> None:
    """504, by ClickHouse's own clock."""
    sandbox.control.limits(max_execution_seconds=0.2)
    assert refusal(ask(sandbox, _SLOW)) == _TIMED_OUT


def test_windows_with_too_many_rows_can_be_made_slow(sandbox: SandboxProcess) -> None:
    """504 above so many matching rows, an answer below: what halving windows needs."""
    sandbox.control.insert(
        [{"event": "e", "timestamp": f"2026-11-01T00:00:{second:02}Z"} for second in range(30)]
    )
    sandbox.control.slow_windows(20)
    wide = "SELECT toString(uuid) AS uuid FROM events WHERE uuid != '' LIMIT 5"
    narrow = "SELECT event FROM events WHERE timestamp < toDateTime64('2026-11-01 00:00:20', 6)"
    assert refusal(ask(sandbox, wide)) == _TIMED_OUT
    assert len(rows(sandbox, narrow)) == 20
    sandbox.control.slow_windows(None)
    assert len(rows(sandbox, wide)) == 5


def test_rows_can_cost_time(sandbox: SandboxProcess) -> None:
    """A cost a row delays the answer, and beyond the limit it is a 504."""
    sandbox.control.insert([_AN_EVENT] * 10)
    sandbox.control.row_cost(0.02)
    response = ask(sandbox, "SELECT event FROM events LIMIT 1")
    assert response.elapsed >= timedelta(seconds=0.2)
    sandbox.control.limits(max_execution_seconds=0.1)
    assert refusal(ask(sandbox, "SELECT event FROM events LIMIT 1")) == _TIMED_OUT


def test_no_microseconds_no_fraction(sandbox: SandboxProcess) -> None:
    """PostHog's JSON drops a fraction of zero, and keeps six digits otherwise."""
    sandbox.control.insert(
        [
            {"event": "a", "timestamp": "2026-11-01T10:00:00Z"},
            {"event": "b", "timestamp": "2026-11-01T10:00:00.5Z"},
            {"event": "c", "timestamp": "2026-11-01T10:00:00.000001Z"},
        ]
    )
    assert rows(sandbox, "SELECT timestamp FROM events ORDER BY event LIMIT 9") == [
        ["2026-11-01T10:00:00Z"],
        ["2026-11-01T10:00:00.500000Z"],
        ["2026-11-01T10:00:00.000001Z"],
    ]


def test_dates_in_arrays_are_written_alike(sandbox: SandboxProcess) -> None:
    """An array of times is an array of the same texts."""
    sandbox.control.insert([_AN_EVENT])
    assert rows(sandbox, "SELECT groupArray(timestamp), toDate(max(timestamp)) FROM events") == [
        [["2026-11-01T10:00:00.123456Z"], "2026-11-01"]
    ]


def test_keyset_pages_over_ties_lose_nothing(sandbox: SandboxProcess) -> None:
    """(timestamp, toString(uuid)) pages through events that share a microsecond."""
    sandbox.control.insert([{"event": "tie", "timestamp": NOW - timedelta(days=1)}] * 25)
    seen: list[str] = []
    after = ("1970-01-01 00:00:00.000000", "")
    page: list[list[Any]] = [[]]
    while page:
        page = rows(
            sandbox,
            "SELECT formatDateTime(timestamp, '%Y-%m-%d %H:%i:%S.%f'), toString(uuid) AS uuid "
            "FROM events WHERE (timestamp, toString(uuid)) > (toDateTime64({at}, 6, 'UTC'), {id}) "
            "ORDER BY timestamp, toString(uuid) LIMIT 7",
            values={"at": after[0], "id": after[1]},
        )
        seen += [uuid for _, uuid in page]
        after = (page[-1][0], page[-1][1]) if page else after
    assert seen == sorted(set(seen))
    assert len(seen) == 25


def test_clickhouse_orders_uuids_by_their_second_half(sandbox: SandboxProcess) -> None:
    """So a cursor computed in Python or DuckDB on the UUID itself is wrong."""
    low_second_half = "ffffffff-ffff-4fff-8000-000000000000"
    high_second_half = "00000000-0000-4000-bfff-ffffffffffff"
    sandbox.control.insert(
        [
            {"event": "e", "timestamp": NOW, "uuid": low_second_half},
            {"event": "e", "timestamp": NOW, "uuid": high_second_half},
        ]
    )
    by_uuid = [uuid for (uuid,) in rows(sandbox, "SELECT uuid FROM events ORDER BY uuid LIMIT 9")]
    by_text = rows(sandbox, "SELECT toString(uuid) FROM events ORDER BY toString(uuid) LIMIT 9")
    assert by_uuid == [low_second_half, high_second_half]
    assert by_text == [[high_second_half], [low_second_half]]


def test_a_big_page_comes_whole_and_in_order(sandbox: SandboxProcess) -> None:
    """20,000 generated events, properties and all, through gzip."""
    sandbox.control.set_clock(datetime(2027, 1, 1, tzinfo=UTC))
    truth = sandbox.control.generate(20_000, days=10, end=NOW)
    found = rows(
        sandbox,
        "SELECT timestamp, toString(uuid) AS uuid, properties FROM events "
        "ORDER BY timestamp, toString(uuid) LIMIT 50000",
    )
    assert len(found) == truth["events"] == 20_000
    assert len({uuid for _, uuid, _ in found}) == truth["distinct"]
    assert all(a[:2] <= b[:2] for a, b in pairwise(map(_comparable, found)))


def _comparable(row: list[Any]) -> tuple[datetime, str]:
    return datetime.fromisoformat(row[0]), row[1]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_gzip_only_if_asked_for(sandbox: SandboxProcess, encoding: str) -> None:
    """The Accept-Encoding header decides."""
    response = HTTP.post(
        f"{sandbox.url}/api/projects/1/query/",
        headers={"Authorization": f"Bearer {sandbox.api_key}", "Accept-Encoding": encoding},
        json={"query": {"kind": "HogQLQuery", "query": "SELECT range(1000)"}},
    )
    assert response.headers.get("content-encoding", "identity") == encoding
    assert response.json()["results"] == [[list(range(1000))]]


def test_half_an_emoji_comes_back_as_it_was_stored(sandbox: SandboxProcess) -> None:
    """Properties are text to ClickHouse: it holds JSON that few can read, and gives it as it is."""
    text = r'{"message": "see you \ud83d", "tenant": "t"}'
    sandbox.control.insert([{**_AN_EVENT, "properties": text}])
    assert ask(sandbox, "SELECT properties FROM events").json()["results"] == [[text]]
