"""`/healthz` and `/readyz`: who lives, who is ready, and what is missing, told to anybody."""

import logging

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from leadpipe.inbox.store import Inbox, InboxUnavailable
from leadpipe.published import reading
from leadpipe.web.caller import Gate
from leadpipe.web.logins import Logins
from leadpipe.web.own_page import WithLogin
from leadpipe.web.status import missing
from leadpipe_tests.clocks import NOW
from leadpipe_tests.web.builders import publish_some

_PROXIED = {
    "Host": "stats.example.org",
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
}


@pytest.fixture
def public(start):
    """A page behind a proxy, which wants a login."""
    return start(is_public=True, web_names="stats.example.org")


def full_disk(*_: object) -> None:
    """What a full disk says."""
    raise InboxUnavailable("/srv/data/inbox.sqlite cannot be written: disk full")


def test_before_the_first_sync_it_is_ready(start):
    """There is nothing to read yet, and webhooks must be let in."""
    answer = start().get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


def test_with_something_published_it_is_ready(start, tmp_path):
    """Every published table can be read."""
    publish_some(tmp_path)
    assert start().get("/readyz").json() == {"status": "ready"}


@pytest.mark.parametrize("path", ["runs", "event_days"])
def test_a_damaged_table_is_not_ready(start, tmp_path, path):
    """Whichever published file is cut off: 503, by name, and the page still lives."""
    publish_some(tmp_path)
    folder = tmp_path / "data" / "published" / "current"
    damaged = next(folder.rglob(f"{path}*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-9])
    client = start()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert answer.json() == {"status": "not ready", "notReady": ["published tables"]}
    assert client.get("/healthz").json() == {"status": "ok"}


def test_an_inbox_that_takes_nothing_is_not_ready(start, monkeypatch, caplog):
    """The answer names the inbox; the reason, with its path, is in the log alone."""
    client = start()
    monkeypatch.setattr(Inbox, "check_writable", full_disk)
    with caplog.at_level(logging.WARNING, "leadpipe.ready"):
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "notReady": ["inbox"]}
    assert "/srv/data" not in answer.text
    assert caplog.messages == [
        "not ready: inbox: /srv/data/inbox.sqlite cannot be written: disk full"
    ]


def test_a_real_read_only_inbox_is_noticed(start, inbox, tmp_path):
    """Looking whether it can be written is writing to it."""
    inbox.check_writable()
    inbox.path.unlink()
    inbox.path.mkdir()
    with pytest.raises(InboxUnavailable):
        inbox.check_writable()


def test_looking_changes_nothing(inbox):
    """What waits, waits; its counts are as they were."""
    before = inbox.state()
    inbox.check_writable()
    assert inbox.state() == before


def test_damage_that_is_no_damage_of_ours_is_told_by_its_kind():
    """Words of an unexpected error may hold anything; its name is enough."""

    def broken() -> None:
        raise ValueError("phx_secret")

    assert missing({"a": broken, "b": lambda: None}) == ["a"]


def test_liveness_looks_at_nothing(start, tmp_path, monkeypatch):
    """Whatever is broken, the program answers that it lives."""
    publish_some(tmp_path)
    client = start()
    monkeypatch.setattr(Inbox, "check_writable", full_disk)
    monkeypatch.setattr(reading, "check", full_disk)
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["notReady"] == ["published tables", "inbox"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_checks_come_in_without_a_login(public, path):
    """Through the proxy, and from the machine itself, as a container's health check asks."""
    assert public.get(path, headers=_PROXIED).status_code == 200
    assert public.get(path, headers={"Host": "127.0.0.1:3002"}).status_code == 200
    assert public.get(path, headers=_PROXIED | {"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/healthz", 200, b'{"status": "ok"}\n'),
        ("/dagster/healthz", 200, b'{"status": "ok"}\n'),
        ("/readyz", 503, b'{"status": "not ready", "notReady": ["definitions"]}\n'),
        ("/dagster/readyz", 503, b'{"status": "not ready", "notReady": ["definitions"]}\n'),
    ],
)
def test_the_dagster_ui_has_the_same_two(tmp_path, path, status, body):
    """Without a login, with and without the proxy's prefix."""

    async def nobody(*_: object) -> None:
        raise AssertionError("Dagster was asked")

    token = SecretStr("token-of-the-page-of-leadpipe")
    door = WithLogin(
        nobody,
        Gate(Logins(tmp_path / "logins.sqlite"), token, None, lambda: NOW),
        SecretStr("key-of-the-page-of-leadpipe"),
        "/dagster",
        {"runs": lambda: None, "definitions": full_disk},
    )
    answer = TestClient(door).get(path)
    assert (answer.status_code, answer.content) == (status, body)
