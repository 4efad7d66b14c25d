"""Which answer becomes which error, after how many attempts, in which words."""

from dataclasses import dataclass

import httpx
import pytest
from pydantic import SecretStr

from leadpipe.errors import (
    KeyRejected,
    PostHogError,
    PostHogRefused,
    PostHogUnavailable,
    ProjectNotFound,
    QueryRejected,
    QueryTooHeavy,
    QuotaExceeded,
    RateLimited,
    ScopeMissing,
)
from leadpipe_tests.posthog.builders import HOST, Reply, Script, bad, client, page

UNTIL_DEADLINE = 5
"""Attempts in the five seconds of these tests: at 0, 0.25, 0.75, 1.75 and 3.75 s."""


@dataclass(frozen=True)
class Case:
    name: str
    reply: Reply
    error: type[PostHogError]
    says: str
    attempts: int = 1


CASES = [
    Case(
        "key rejected",
        bad(401, "Personal API key found in request Authorization header is invalid."),
        KeyRejected,
        "PostHog does not accept the API key. Create a personal API key (phx_…) under "
        "Settings → Personal API keys with the scope query:read.",
    ),
    Case("key of the other region", bad(401), KeyRejected, f"it is {HOST}; US is"),
    Case(
        "quota used up",
        bad(402, "Your organization has read more", "api_queries_quota_exceeded"),
        QuotaExceeded,
        "402 api_queries_quota_exceeded: Your organization has read more",
    ),
    Case(
        "scope missing",
        bad(403, "API key missing required scope 'query:read'", "permission_denied"),
        ScopeMissing,
        "lacks the scope query:read: add it under Settings → Personal API keys.",
    ),
    Case(
        "key made for another project",
        bad(403, "API key does not have access to the requested project: ID 7."),
        ProjectNotFound,
        "Project 7 on https://eu.posthog.com does not exist or the key may not see it.",
    ),
    Case(
        "not a member",
        bad(403, "You don't have access to the project."),
        ProjectNotFound,
        "may not see it",
    ),
    Case(
        "forbidden for another reason",
        bad(403, "This action does not support personal API key access"),
        PostHogRefused,
        "does not support personal API key access",
    ),
    Case("project not found", bad(404, "Not found."), ProjectNotFound, "Project 7 on"),
    Case(
        "HogQL that PostHog does not take",
        bad(400, "Unable to resolve field: prize", "invalid_input"),
        QueryRejected,
        "'leads' got 400 invalid_input: Unable to resolve field: prize",
    ),
    Case("no reason given", httpx.Response(400), QueryRejected, "400: without a reason."),
    Case("plain text", httpx.Response(409, text="Conflict!"), QueryRejected, "409: Conflict!"),
    Case("JSON of another shape", httpx.Response(400, json=["no"]), QueryRejected, '["no"]'),
    Case("query text too long", bad(500, "Query size exceeded."), QueryRejected, "size"),
    Case("stopped at ten seconds", bad(504, "max execution time"), QueryTooHeavy, "less at once"),
    Case("gateway time-out", page(504), QueryTooHeavy, "a web page instead of JSON."),
    Case("estimated too slow", bad(512, "Estimated query"), QueryTooHeavy, "shorter window"),
    Case(
        "out of memory",
        bad(513, "This query ran out of memory", "clickhouse_memory_limit_exceeded"),
        QueryTooHeavy,
        "513 clickhouse_memory_limit_exceeded: This query ran out of memory",
    ),
    Case("too many bytes", bad(400, "Limit for", "too_many_bytes"), QueryTooHeavy, "Limit for"),
    Case(
        "too slow, as 500",
        bad(500, "Query has hit the max execution time before completing."),
        QueryTooHeavy,
        "max execution time",
    ),
    Case(
        "cluster out of memory",
        bad(513, "We're under heavy load right now", "clickhouse_memory_limit_exceeded"),
        PostHogUnavailable,
        "under heavy load",
        UNTIL_DEADLINE,
    ),
    Case("server error", bad(500, "Oh."), PostHogUnavailable, "got 500", UNTIL_DEADLINE),
    Case("bad gateway", page(502), PostHogUnavailable, "a web page", UNTIL_DEADLINE),
    Case("busy", bad(503, "a little too busy"), PostHogUnavailable, "busy", UNTIL_DEADLINE),
    Case("request time-out", bad(408), PostHogUnavailable, "got 408", UNTIL_DEADLINE),
    Case("too many at once", bad(429, "concurrency"), RateLimited, "concurrency", 5),
    Case("too many a minute", bad(429, retry_after="2"), RateLimited, "got 429", 3),
    Case("throttled by a proxy", page(429), RateLimited, "a web page", 5),
    Case(
        "refused connection",
        httpx.ConnectError("[Errno 111] Connection refused"),
        PostHogUnavailable,
        "(ConnectError [Errno 111] Connection refused)",
        UNTIL_DEADLINE,
    ),
    Case(
        "connection reset",
        httpx.ReadError("[Errno 104] reset by peer"),
        PostHogUnavailable,
        "Gave up after 5 attempts: the next one would come 4.0 s later, past the deadline of 5 s.",
        UNTIL_DEADLINE,
    ),
    Case(
        "untrusted certificate",
        httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"),
        PostHogRefused,
        "SSL_CERT_FILE",
    ),
    Case(
        "broken compression",
        lambda _: httpx.Response(
            200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")
        ),
        PostHogUnavailable,
        "DecodingError",
        UNTIL_DEADLINE,
    ),
    Case(
        "cut JSON",
        httpx.Response(200, text='{"results": [[1],'),
        PostHogUnavailable,
        "'leads' (17 bytes) cannot be read",
        UNTIL_DEADLINE,
    ),
    Case(
        "JSON of another shape with 200",
        httpx.Response(200, json={"results": "none"}),
        PostHogUnavailable,
        "cannot be read",
        UNTIL_DEADLINE,
    ),
    Case(
        "query still running",
        httpx.Response(202, json={"query_status": {"complete": False}}),
        PostHogUnavailable,
        "no results yet",
        UNTIL_DEADLINE,
    ),
    Case(
        "error with 200",
        httpx.Response(200, json={"results": [], "columns": [], "error": "Unknown field"}),
        QueryRejected,
        "Unknown field",
    ),
    Case(
        "too heavy with 200",
        httpx.Response(200, json={"results": None, "error": "Timeout exceeded: 10 s"}),
        QueryTooHeavy,
        "Timeout exceeded",
    ),
    Case(
        "login page",
        page(200),
        PostHogRefused,
        "https://eu.posthog.com answered with a web page (200) when asked for 'leads': it is not "
        "PostHog's API. POSTHOG_BASE_URL should be https://us.posthog.com, "
        "https://eu.posthog.com or the address of your own PostHog, without a path.",
    ),
    Case(
        "redirect to a login",
        page(302, location="https://sso.example.com/login"),
        PostHogRefused,
        "redirected to https://sso.example.com/login (302)",
    ),
    Case("another web server", page(404), PostHogRefused, "it is not PostHog's API"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_answer_has_its_error_and_its_number_of_attempts(case):
    """Final and too heavy answers are taken at once, passing ones asked again to the deadline."""
    script = Script(case.reply)
    with client(script) as posthog, pytest.raises(PostHogError) as caught:
        posthog.query("select 1", name="leads")
    assert type(caught.value) is case.error
    assert case.says in str(caught.value)
    assert len(script.requests) == case.attempts
    assert caught.value.request_name == "leads"


def test_an_error_carries_status_and_code():
    """A caller can tell errors apart without reading their text."""
    with (
        client(Script(bad(402, "No.", "payment_required"))) as posthog,
        pytest.raises(QuotaExceeded) as caught,
    ):
        posthog.query("select 1", name="leads")
    assert (caught.value.status, caught.value.code) == (402, "payment_required")


def test_asking_for_less_is_no_remedy_outside_queries():
    """A gateway that gives up on a request other than a query is passing."""
    with client(Script(page(504))) as posthog, pytest.raises(PostHogUnavailable):
        posthog.project()


def test_posthogs_words_are_shortened():
    """PostHog may echo the query; 300 characters of it are enough."""
    with (
        client(Script(bad(400, "select \n" * 200))) as posthog,
        pytest.raises(QueryRejected) as caught,
    ):
        posthog.query("select 1", name="leads")
    words = str(caught.value).removeprefix("'leads' got 400 error: ")
    assert len(words) == 300
    assert words.startswith("select select")
    assert words.endswith("…")


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("phc_abc", "This is the project key (phc_…), which can only write events. Create a"),
        ("phs_abc", "This is a project secret key (phs_…), which cannot run queries here."),
    ],
)
def test_a_key_of_the_wrong_kind_is_recognised(key, says):
    """The commonest mistake, a project key instead of a personal one, is named."""
    with (
        client(Script(bad(401)), api_key=SecretStr(key)) as posthog,
        pytest.raises(KeyRejected) as caught,
    ):
        posthog.query("select 1", name="leads")
    assert says in str(caught.value)


def test_half_an_emoji_does_not_spoil_a_whole_answer():
    """What a server wrote into a row's text is replaced there; all other rows are as they were."""
    body = (
        b'{"columns": ["a"], "results": [["see you \\ud83d"], ["\\ud83d\\ude00"], ["\\\\ud83d"]]}'
    )
    with client(Script(httpx.Response(200, content=body))) as posthog:
        found = posthog.query("SELECT 1", name="test").decoded()
    assert found == [["see you \ufffd"], ["\U0001f600"], ["\\ud83d"]]
