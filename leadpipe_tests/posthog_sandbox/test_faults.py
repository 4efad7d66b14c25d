"""Faults: what each one does to a request, and which requests it strikes."""

import time
from typing import Any

import httpx
import pytest

from leadpipe_tests.posthog_sandbox.asking import ask, refusal, rows, send
from posthog_sandbox.faults import KINDS
from posthog_sandbox.process import SandboxProcess

_BUSY = (
    "Queries are a little too busy right now. We're working to free up resources. Please try again "
    "later."
)
_MEMORY = (
    "This query ran out of memory before it could finish, usually because it's scanning too much "
    "data. Try a shorter date range or narrower filters, or see our docs for more ways to speed it "
    "up: https://posthog.com/docs/product-analytics/troubleshooting"
    "#how-do-i-speed-up-my-insights-and-queries"
)
_QUOTA = (
    "Your organization has read more query data over the API than its free allowance for this "
    "month. API queries will be available again when the allowance resets. Upgrade your plan in "
    "Billing settings to restore access sooner, or ask an org admin to do so."
)
_TIMEOUT = (
    "Query has hit the max execution time before completing. See our docs for how to improve your "
    "query performance. You may need to materialize."
)
_SLOW = (
    "Estimated query execution time is too long. Try reducing its scope by changing the time range."
)
_ANSWERS: list[tuple[str, dict[str, Any], tuple[int, str, str, str | None], str | None]] = [
    (
        "rate_limit",
        {"seconds": 7},
        (
            429,
            "throttled_error",
            "throttled",
            "Request was throttled. Expected available in 7 seconds.",
        ),
        "7",
    ),
    ("concurrency_limit", {}, (429, "throttled_error", "throttled", None), None),
    ("timeout_504", {}, (504, "server_error", "error", _TIMEOUT), None),
    ("error_512", {}, (512, "server_error", "error", _SLOW), None),
    (
        "memory_513",
        {},
        (513, "server_error", "clickhouse_memory_limit_exceeded", _MEMORY),
        None,
    ),
    ("server_error_500", {}, (500, "server_error", "error", "A server error occurred."), None),
    ("unavailable_503", {}, (503, "server_error", "error", _BUSY), None),
    ("unavailable_503", {"retry_after": 3}, (503, "server_error", "error", _BUSY), "3"),
    ("quota_402", {}, (402, "server_error", "api_queries_quota_exceeded", _QUOTA), None),
    (
        "unauthorized_401",
        {},
        (
            401,
            "authentication_error",
            "authentication_failed",
            "Personal API key found in request Authorization header is invalid.",
        ),
        None,
    ),
    (
        "missing_scope_403",
        {"scope": "person:read"},
        (
            403,
            "authentication_error",
            "permission_denied",
            "API key missing required scope 'person:read'",
        ),
        None,
    ),
    ("project_404", {}, (404, "invalid_request", "not_found", "Project not found."), None),
]


@pytest.mark.parametrize(("kind", "options", "answer", "retry_after"), _ANSWERS)
def test_a_fault_answers_instead_of_the_sandbox(
    sandbox: SandboxProcess,
    kind: str,
    options: dict[str, Any],
    answer: tuple[int, str, str, str | None],
    retry_after: str | None,
) -> None:
    """Once, with PostHog's body and headers; then all is well again."""
    sandbox.control.fault(kind, **options)
    response = ask(sandbox, "SELECT 1")
    *given, detail = refusal(response)
    assert tuple(given) == answer[:3]
    assert answer[3] is None or detail == answer[3]
    assert response.headers.get("retry-after") == retry_after
    assert rows(sandbox, "SELECT 1") == [[1]]


def test_a_gateways_page_is_no_json(sandbox: SandboxProcess) -> None:
    """502 with HTML."""
    sandbox.control.fault("html_502")
    response = ask(sandbox, "SELECT 1")
    assert (response.status_code, response.headers["content-type"]) == (
        502,
        "text/html; charset=utf-8",
    )
    assert response.text.startswith("<html>")


def test_json_can_be_cut_short(sandbox: SandboxProcess) -> None:
    """200, the right type, half a body."""
    sandbox.control.fault("wrong_json")
    response = ask(sandbox, "SELECT 1")
    assert (response.status_code, response.text) == (200, '{"results": [[1, "cut')


def test_an_answer_can_stall(sandbox: SandboxProcess) -> None:
    """Nothing for so many seconds, then the real answer."""
    sandbox.control.fault("stall", seconds=0.3)
    began = time.monotonic()
    assert rows(sandbox, "SELECT 1") == [[1]]
    assert time.monotonic() - began >= 0.3


def test_an_answer_can_drip(sandbox: SandboxProcess) -> None:
    """A few bytes at a time pass any read timeout, and are the real answer in the end."""
    sandbox.control.fault("drip", seconds=0.02, bytes=40)
    began = time.monotonic()
    response = ask(sandbox, "SELECT 1")
    assert response.json()["results"] == [[1]]
    assert time.monotonic() - began >= 0.02 * (len(response.content) // 40)


def test_a_body_can_be_cut_off(sandbox: SandboxProcess) -> None:
    """The connection closes before the promised length."""
    sandbox.control.fault("cut_body", bytes=20)
    with pytest.raises(httpx.RemoteProtocolError, match="received 20 bytes, expected"):
        ask(sandbox, "SELECT 1")


def test_a_connection_can_be_reset(sandbox: SandboxProcess) -> None:
    """No answer at all."""
    sandbox.control.fault("reset")
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        ask(sandbox, "SELECT 1")
    assert rows(sandbox, "SELECT 1") == [[1]]
    assert [entry["status"] for entry in sandbox.control.requests()] == [499, 200]


def test_every_kind_is_tested_here() -> None:
    """A new kind wants a test."""
    tested = {kind for kind, *_ in _ANSWERS}
    tested |= {"html_502", "wrong_json", "stall", "drip", "cut_body", "reset"}
    assert tested == KINDS


def _statuses(sandbox: SandboxProcess, count: int, **options: Any) -> list[int]:
    return [ask(sandbox, "SELECT 1", **options).status_code for _ in range(count)]


def test_times_and_after_choose_the_requests(sandbox: SandboxProcess) -> None:
    """The first two pass, two are struck, the rest pass."""
    sandbox.control.fault("server_error_500", times=2, after=2)
    assert _statuses(sandbox, 6) == [200, 200, 500, 500, 200, 200]


def test_minus_one_is_for_ever_until_cleared(sandbox: SandboxProcess) -> None:
    """And clear_faults is the end of it."""
    sandbox.control.fault("server_error_500", times=-1)
    assert _statuses(sandbox, 3) == [500, 500, 500]
    sandbox.control.clear_faults()
    assert _statuses(sandbox, 1) == [200]


def test_match_chooses_by_name_of_the_query(sandbox: SandboxProcess) -> None:
    """Only queries whose name contains the text."""
    sandbox.control.fault("server_error_500", times=-1, match="days")
    assert _statuses(sandbox, 1, name="events of a day") == [200]
    assert _statuses(sandbox, 1, name="changed days") == [500]


def test_match_chooses_by_path(sandbox: SandboxProcess) -> None:
    """Capture can fail while queries work."""
    sandbox.control.fault("server_error_500", match="/batch")
    assert _statuses(sandbox, 1) == [200]
    assert send(sandbox, "/batch/", {}).status_code == 500


def test_faults_strike_in_the_order_they_were_added(sandbox: SandboxProcess) -> None:
    """The oldest one first; each has its own count."""
    sandbox.control.fault("server_error_500")
    sandbox.control.fault("timeout_504")
    assert _statuses(sandbox, 3) == [500, 504, 200]


def test_an_unknown_kind_is_refused_with_the_list(sandbox: SandboxProcess) -> None:
    """A typing mistake in a test must not pass as a fault that never strikes."""
    with pytest.raises(
        ValueError, match=r"No fault is called 'nonsense'; there are concurrency_limit,"
    ):
        sandbox.control.fault("nonsense")
