"""Personal data: where a viewer, a log, a metric, a trace or an error could show it, and who revealed it."""

import csv
import io
import json
import logging
from datetime import timedelta

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from leadpipe import tracing
from leadpipe.delivery.intake import take_in_events
from leadpipe.published.questions import questions
from leadpipe_tests.clocks import NOW
from leadpipe_tests.collector import collecting
from leadpipe_tests.events.builders import event, rows, take_in
from leadpipe_tests.leads.builders import publish, publish_leads
from leadpipe_tests.security.accounts import csrf_of, log_in, logins_of, with_people
from leadpipe_tests.security.test_every_route import address, paths_of
from leadpipe_tests.web.fake_dagster import FakeDagster
from leadpipe_tests.web.fixtures import TOKEN

pytestmark = pytest.mark.usefixtures("light_hashes")

_CONTACT = {"full_name": "Ama Mensah", "phone": "+12015550123", "email": "ama.m@example.org"}
_PERSONAL = ("mensah", "2015550123", "555-0123", "ama.m@", "ama.m%40")
_SECRET = "s3cret-of-whoever-calls-here"
_FORMULA = '=HYPERLINK("http://evil.example")'


@pytest.fixture
def world(tmp_path):
    """The id of a lead whose seeker left name, phone and email, which the partner refused by name."""
    warehouse = publish_leads(tmp_path)
    conversation = event(
        "lead_captured", NOW - timedelta(hours=3), distinct_id="ama", channel="sms",
        session_id="session-1", **_CONTACT,
    )  # fmt: skip
    formula = event("lead_phone", NOW, listing_id=_FORMULA, seeker_id="\n+cmd|' /C calc'!A0")
    take_in(warehouse, warehouse.path.parent, [conversation, formula], run_id="run-2")
    with warehouse.writing("door") as connection:
        take_in_events(connection, region="US", now=NOW)
        connection.execute("UPDATE lead_deliveries SET state = 'failed'")
        connection.execute(
            "INSERT INTO failed_leads SELECT id, lead_data, $1, channel, session_id, 0, NULL, "
            "taken_in_at, false, NULL, idempotency_key FROM lead_deliveries",
            ["HTTP 422: Ama Mensah (+1 201 555-0123, ama.m@example.org) is known"],
        )
    publish(warehouse)
    with_people(tmp_path)
    [(lead,)] = rows(warehouse, "SELECT lead_id FROM leads WHERE seeker_id = 'ama' LIMIT 1")
    return lead


@pytest.fixture
def browser(start, world):
    """A public page over it; each call another browser, logged in by a name."""
    secrets = dict.fromkeys(
        ("cron_secret", "metrics_secret", "leads_secret", "npa_webhook_secret", "posthog_webhook_secret"),
        SecretStr(_SECRET),
    )  # fmt: skip
    app = start(is_public=True, admin_token=SecretStr(TOKEN), dagster=FakeDagster(), **secrets).app

    def opened(name=None):
        client = TestClient(app, client=("203.0.113.7", 50_000), base_url="http://localhost")
        if name:
            assert log_in(client, name).status_code in {200, 303}
        return client

    return opened


def personal_in(text):
    """What of the person's data a text has, in any of its spellings."""
    return [each for each in _PERSONAL if each in text.lower()]


def looked_at(client, lead):
    """Every page there is, as somebody reads it, by address."""
    asked = {f"/questions/{one.domain}/{one.slug}" for one in questions()}
    asked |= {address(path, lead) for path in paths_of("GET")}
    asked |= {"/leads?q=mensah", "/leads?period=nonsense", "/leads/nobody", "/questions/no/such"}
    return {path: client.get(path) for path in sorted(asked) if "reveal=1" not in path}


def test_a_viewer_finds_no_personal_data_on_any_page(browser, world, caplog):
    """Nor do logs, acts and traces have what was looked at; the pages are there, and say whom they cover."""
    caplog.set_level(logging.DEBUG)
    with collecting() as collector:
        tracing.begin(collector.url)
        try:
            answers = looked_at(browser("vera"), world)
            answers["/metrics"] = browser().get(
                "/metrics", headers={"Authorization": f"Bearer {_SECRET}"}
            )
            tracing.flush()
        finally:
            tracing.end()
    asked = "/leads?q=mensah"  # what somebody types comes back to them, and goes nowhere else
    texts = {path: answer.text for path, answer in answers.items()}
    texts[asked] = texts[asked].replace("mensah", "")
    headers = {path: str(answer.headers) for path, answer in answers.items() if path != asked}
    assert {path: found for path, text in texts.items() if (found := personal_in(text))} == {}
    assert {path: found for path, text in headers.items() if (found := personal_in(text))} == {}
    assert "A*** M***" in texts[f"/leads/{world}"]
    assert [path for path, answer in answers.items() if answer.status_code >= 500] == []
    assert collector.bodies != []
    assert personal_in(b"".join(collector.bodies).decode("utf-8", "replace")) == []
    assert (
        personal_in(caplog.text.replace("q=mensah", "")) == []
    )  # the test's own client says where it goes


def test_what_cannot_be_used_is_refused_without_repeating_it(browser, tmp_path, caplog):
    """Leads, notices and events that mean nothing: no answer, log or metric says whose they are."""
    caplog.set_level(logging.DEBUG)
    client = browser()
    secret = {"Authorization": f"Bearer {_SECRET}"}
    bodies = [
        {"status": _CONTACT["email"], **_CONTACT},
        [{**_CONTACT, "phone": "12015550123x", "email": "ama.m@@example.org"}],
        {"event": {"uuid": "Ama Mensah", "event": "$pageview", "timestamp": "ama.m@example.org"}},
        "Ama Mensah",
    ]
    said = []
    for path in ("/api/leads", "/api/webhooks/partner", "/api/webhooks/posthog"):
        for body in bodies:
            for content in (json.dumps(body), json.dumps(body)[:-1]):
                answer = client.post(
                    path, content=content, headers=secret | {"Content-Type": "application/json"}
                )
                said.append(f"{path}: {answer.text}")
                assert answer.status_code < 500
    said += [client.get("/metrics", headers=secret).text, caplog.text]
    said += [
        one.text
        for one in looked_at(browser("vera"), "nobody").values()
        if "mensah" not in str(one.url)
    ]
    assert [line for text in said for line in text.splitlines() if personal_in(line)] == []


def test_who_reveals_is_kept_by_name_and_without_what_was_revealed(browser, world, tmp_path):
    """By the button of a lead and on the page of deliveries; an export as well, which has no contact data."""
    client = browser("walt")
    csrf = csrf_of(client.get(f"/leads/{world}"))
    by_button = client.post(f"/leads/{world}/reveal", data={"csrf": csrf})
    on_the_panel = client.get("/admin/delivery?reveal=1")
    for answer in (by_button, on_the_panel):
        assert "Ama Mensah" in answer.text
        assert answer.headers["cache-control"] == "no-store"
    assert personal_in(client.get("/leads.csv").text) == []
    acts = logins_of(tmp_path).acts(limit=3)
    assert [(act.person, act.what) for act in acts] == [
        ("walt", "exported 8 leads"),
        ("walt", "revealed the personal data of failed leads"),
        ("walt", f"revealed the contact data of lead {world}"),
    ]
    shown = browser("olga").get("/admin/access").text
    assert f"revealed the contact data of lead {world}" in shown
    assert personal_in(shown) == []


def test_an_export_has_no_formula(browser):
    """Ids are what events sent: what a spreadsheet would run is text in the file."""
    text = browser("vera").get("/leads.csv").text
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert any("HYPERLINK" in cell for cell in cells)
    assert [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))] == []
