"""What cannot be done is a page for people and JSON for programs, with one status."""

import re

import pytest
from starlette.testclient import TestClient

from leadpipe.today.reading import TodayDesk
from leadpipe.web.app import create_app
from leadpipe_tests.clocks import NOW
from leadpipe_tests.web.fixtures import TOKEN, web_settings

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def heading(text):
    """The page's heading."""
    found = re.search(r"<h1[^>]*>([^<]+)</h1>", text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("method", "path", "status", "said", "error"),
    [
        ("GET", "/nosuch", 404, "There is no such page", "there is nothing at this address"),
        (
            "GET",
            "/static/none.css",
            404,
            "There is no such page",
            "there is nothing at this address",
        ),
        ("PUT", "/today", 405, "There is nothing to open here", "PUT is not for this address"),
        (
            "POST",
            "/leads/undo",
            403,
            "That is not allowed",
            "this form is too old; load the page again",
        ),
    ],
)
def test_people_read_a_page_and_programs_json(start, method, path, status, said, error):
    """Who takes HTML gets words and a way on; anybody else the same status and one line."""
    client = start()
    page = client.request(method, path, headers=BROWSER)
    assert (page.status_code, heading(page.text)) == (status, said)
    assert '<a href="/">Go to Today</a>' in page.text
    assert 'aria-label="Pages"' in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for headers in ({}, {"accept": "application/json"}):
        answer = client.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()) == (status, {"error": error})


def test_below_api_everybody_is_a_program(start):
    """An address for programs answers a browser, too, in JSON."""
    answer = start().get("/api/nosuch", headers=BROWSER)
    assert (answer.status_code, answer.json()) == (
        404,
        {"error": "there is nothing at this address"},
    )


def test_who_is_not_logged_in_sees_no_navigation(start):
    """An unknown address tells a stranger nothing of what is there."""
    page = start(admin_token=TOKEN).get("/nosuch", headers=BROWSER)
    assert (page.status_code, 'aria-label="Pages"' in page.text) == (404, False)


def test_a_request_that_may_not_come_in_is_told_so(start):
    """The door's refusal is a page as well, without links to what cannot be reached."""
    client = start(client="203.0.113.7")
    page = client.get("/", headers=BROWSER)
    assert (page.status_code, heading(page.text)) == (403, "That is not allowed")
    assert "This request came from another machine." in page.text
    assert "Go to Today" not in page.text
    assert client.get("/").json()["error"].startswith("this request came from another machine")


def test_what_is_broken_shows_no_trace(tmp_path, monkeypatch):
    """500 in people's words, with the headers of every page; the reason is for the log."""

    def broken(*_, **__):
        raise RuntimeError("s3cret of ama@example.org")

    monkeypatch.setattr(TodayDesk, "read", broken)
    app = create_app(web_settings(tmp_path), clock=lambda: NOW)
    with TestClient(
        app,
        client=("127.0.0.1", 50_000),
        base_url="http://localhost",
        raise_server_exceptions=False,
    ) as client:
        page = client.get("/", headers=BROWSER)
        answer = client.get("/")
    assert (page.status_code, heading(page.text)) == (500, "Something is broken here")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "something is broken here; the log says what"},
    )
    assert "s3cret" not in page.text + answer.text
