"""`leadpipe webhook`, and who else tells of events that PostHog does not have."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from leadpipe.cli import main
from leadpipe.inbox.findings import findings
from leadpipe.published.tables import publish_tables
from leadpipe.web.signing import can_sign, check_posthog_secret
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import rows, settings_of

_UUID = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def run(warehouse, monkeypatch):
    """Run a command over the warehouse's folder; its output."""
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(warehouse.path.parent))

    def ran(*words):
        result = CliRunner().invoke(main, ["webhook", *words], catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    return ran


@pytest.fixture
def set_aside(warehouse):
    """One event was set aside, and that is published."""
    with warehouse.connect() as connection:
        connection.execute(
            "INSERT INTO unconfirmed_events VALUES (?, 'lead_phone', ?, 'drain', ?, ?, NULL)",
            [_UUID, TODAY, NOW - timedelta(days=1), NOW],
        )
        publish_tables(connection, warehouse.path.parent / "published", now=NOW)


def told(warehouse):
    """What `leadpipe check` says of the webhook."""
    found = findings(settings_of(warehouse), None, now=NOW)
    return [(each.verdict, each.text) for each in found if each.what == "webhook"]


def test_a_fresh_secret_works_on_both_sides(run):
    """It is another each time, alone on the output, and PostHog can send it and sign with it."""
    first, second = SecretStr(run("secret").strip()), SecretStr(run("secret").strip())
    assert first != second
    for secret in (first, second):
        check_posthog_secret("POSTHOG_WEBHOOK_SECRET", secret)
        assert can_sign(secret)


def test_unconfirmed_events_are_listed_until_they_are_seen(run, warehouse, set_aside):
    """The list keeps them, the warning ends."""
    (row,) = json.loads(run("unconfirmed", "--json"))
    assert (row["uuid"], row["event"], row["seen_at"]) == (_UUID, "lead_phone", None)
    warning = "1 events that PostHog does not have; see `leadpipe webhook unconfirmed`"
    assert told(warehouse) == [("warning", warning)]
    assert run("seen") == "1 unconfirmed events noted as seen.\n"
    assert told(warehouse) == []
    assert json.loads(run("unconfirmed", "--json"))[0]["seen_at"] is not None
    assert rows(warehouse, "SELECT count(*) FROM unconfirmed_events") == [(1,)]
    assert run("seen") == "0 unconfirmed events noted as seen.\n"


def test_nothing_unconfirmed_is_said_so(run, warehouse):
    """An empty list is an answer, for programs as well."""
    with warehouse.connect() as connection:
        publish_tables(connection, warehouse.path.parent / "published", now=NOW)
    assert json.loads(run("unconfirmed", "--json")) == []


def test_the_page_tells_of_unconfirmed_events(start, run, set_aside):
    """As long as nobody has seen them."""
    page = start()
    assert 'id="unconfirmed">1<' in page.get("/admin/sync").text
    run("seen")
    assert 'id="unconfirmed"' not in page.get("/admin/sync").text
