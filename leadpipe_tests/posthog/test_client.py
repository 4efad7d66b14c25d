"""What is sent, and what comes back when all is well."""

import json

import httpx
import pytest

import leadpipe.posthog
from leadpipe.errors import PostHogUnavailable
from leadpipe.posthog import Project, QueryResult
from leadpipe_tests.posthog.builders import KEY, Script, client, good


def test_a_query_is_sent_as_posthog_wants_it():
    """Never from the cache, values bound, no conversion to the project's time zone."""
    script = Script(good())
    with client(script) as posthog:
        posthog.query("select {n}", values={"n": 1, "names": ["a'b"]}, name="leads")
    (request,) = script.requests
    assert (request.method, str(request.url)) == (
        "POST",
        "https://eu.posthog.com/api/projects/7/query/",
    )
    assert json.loads(request.content) == {
        "query": {
            "kind": "HogQLQuery",
            "query": "select {n}",
            "values": {"n": 1, "names": ["a'b"]},
            "modifiers": {"convertToProjectTimezone": False},
        },
        "refresh": "force_blocking",
        "name": "leads",
    }
    sent = {name: request.headers[name] for name in ("authorization", "accept-encoding")}
    assert sent == {"authorization": f"Bearer {KEY}", "accept-encoding": "gzip"}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("leadpipe/")


def test_rows_stay_the_bytes_that_posthog_sent():
    """A row is not decoded and not rewritten: numbers, escapes and spaces are PostHog's."""
    body = rb'{"columns":["a","b"],"types":[["a","String"],["b","Float64"]],'
    body += rb'"results":[ ["\u00e9", 1.10], [null,1e3] ],"error":null}'
    with client(Script(httpx.Response(200, content=body))) as posthog:
        result = posthog.query("select a, b", name="leads")
    assert [bytes(row) for row in result.rows] == [rb'["\u00e9", 1.10]', b"[null,1e3]"]
    assert result.decoded() == [["é", 1.1], [None, 1000.0]]
    assert (result.columns, result.types) == (("a", "b"), ("String", "Float64"))


def test_an_empty_answer_has_no_rows():
    """No rows is a result, not an error."""
    with client(Script(good([]))) as posthog:
        result = posthog.query("select 1", name="leads")
    assert result == QueryResult(columns=("n",), rows=[], types=("Int64",))


def test_the_project_is_read():
    """Id, name and time zone come back as one value; a PostHog that names no retention has none."""
    answer = httpx.Response(200, json={"id": 7, "name": "Shop", "timezone": "Africa/Lagos", "x": 1})
    script = Script(answer)
    with client(script) as posthog:
        assert posthog.project() == Project(
            id=7, name="Shop", timezone="Africa/Lagos", is_retention_enforced=False
        )
    assert script.requests[0].url.path == "/api/projects/7/"


@pytest.mark.parametrize(
    ("scopes", "read"),
    [(["query:read", "cohort:write"], ("query:read", "cohort:write")), (None, ("*",))],
)
def test_the_scopes_of_the_key_are_read(scopes, read):
    """A key's scopes come back as PostHog spells them; a key without any may do all."""
    script = Script(httpx.Response(200, json={"id": "k", "scopes": scopes}))
    with client(script) as posthog:
        assert posthog.key_scopes() == read
    assert script.requests[0].url.path == "/api/personal_api_keys/@current/"


def test_a_project_of_another_shape_is_not_a_project():
    """An answer without the fields that are read is passing, not a crash."""
    with (
        client(Script(httpx.Response(200, json={"id": 7}))) as posthog,
        pytest.raises(PostHogUnavailable, match="missing required field"),
    ):
        posthog.project()


def test_the_client_shows_what_it_talks_to():
    """A client in a log says host and project."""
    with client() as posthog:
        assert repr(posthog) == "PostHog(host='https://eu.posthog.com', project_id='7')"


def test_the_public_surface():
    """What other modules may use, and nothing by accident."""
    assert leadpipe.posthog.__all__ == [
        "NO_NAMES",
        "CallCounts",
        "CallStats",
        "Limits",
        "PostHog",
        "Project",
        "QueryResult",
        "checked_name",
        "identity",
        "utc_literal",
        "utc_text",
    ]
