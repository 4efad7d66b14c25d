"""Alerts: told when they begin and end, not in between, through every channel."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from leadpipe.alerting import alert_receivers
from leadpipe.delivery.alerts import Alert, AlertRules, due_alerts, keep_told, tell
from leadpipe.delivery.settings import DeliverySettings
from leadpipe.notices import mistakes
from leadpipe.reports import failure_receivers
from leadpipe_tests.delivery.builders import deliver_to, hand_over, lead
from leadpipe_tests.docs.markdown import ROOT
from leadpipe_tests.inboxes import MailServer, http_inbox

pytestmark = pytest.mark.shared_lake

_RULES = AlertRules(failed=2, success_rate=50.0, oldest=timedelta(hours=2))


def told(warehouse, *, after: timedelta = timedelta(0)) -> list[str]:
    """The rules that are told at a time, kept as told."""
    now = datetime.now(UTC) + after
    with warehouse.writing("delivery") as connection:
        alerts = due_alerts(connection, _RULES, now=now)
        keep_told(connection, alerts, now=now)
    return [f"{'!' if alert.is_firing else '-'} {alert.rule}" for alert in alerts]


def test_a_rule_is_told_when_it_begins_and_when_it_ends(partner, warehouse):
    """No storm: a sensor that asks every minute hears of it once, and once a day as a reminder."""
    assert told(warehouse) == []
    partner.configure(default="reject")
    hand_over(warehouse, *(lead(number) for number in range(1, 7)))
    deliver_to(partner, warehouse)
    assert told(warehouse) == ["! failed leads", "! success rate"]
    assert told(warehouse, after=timedelta(minutes=1)) == []
    assert told(warehouse, after=timedelta(hours=3)) == ["! oldest lead"]
    partner.configure(default="accept")
    deliver_to(partner, warehouse, ids=list(range(1, 7)))
    assert told(warehouse, after=timedelta(hours=4)) == [
        "- failed leads",
        "- success rate",
        "- oldest lead",
    ]


def test_alerts_go_to_the_log_and_everyone_named():
    """All get the same text; the older settings and LEADPIPE_ALERT_TO serve side by side."""
    logged: list[str] = []
    with http_inbox() as inbox, MailServer() as server:
        settings = DeliverySettings(
            alert_to=f"json://{inbox.place}/",
            alert_webhook_url=inbox.url,
            alert_smtp_url=f"smtp://{server.place}",
            alert_mail_to="ops@example.org",
        )
        alerts = [Alert("failed leads", is_firing=True, message="12 failed leads wait")]
        assert tell(alerts, alert_receivers(settings), log=logged.append) == []
    assert {body.get("text", body.get("message")) for body in inbox.bodies} == set(logged)
    assert {"text": logged[0]} in inbox.bodies
    assert "To: ops@example.org" in server.mails[0]
    assert "Subject: leadpipe: failed leads" in server.mails[0]
    assert "12 failed leads wait" in server.mails[0]
    assert tell([], alert_receivers(settings), log=logged.append) == []
    assert len(logged) == 1


def test_the_addresses_of_the_page_are_addresses():
    """What docs/delivery.md shows can be copied and filled in."""
    text = (ROOT / "docs" / "delivery.md").read_text().partition("## Alerts")[2]
    shown = re.findall(r"`([a-z]+://[^`…]+)`", text)
    assert len(shown) == 7
    assert [address for address in shown if mistakes(SecretStr(address))] == []


def test_the_settings_say_who_is_told():
    """LEADPIPE_ALERT_TO is told everything; the older settings are told what they always were."""
    older: dict[str, Any] = {
        "alert_webhook_url": "https://a.example/s3cr3t",
        "alert_smtp_url": "smtp://s3cr3t@a.example",
        "failure_webhook_url": "https://b.example/s3cr3t",
    }
    settings = DeliverySettings(
        alert_to="json://127.0.0.1,jsons://s3cr3t.example", alert_mail_to="a@b.org", **older
    )
    both = ["LEADPIPE_ALERT_TO (address 1)", "LEADPIPE_ALERT_TO (address 2)"]
    alerts, failures = alert_receivers(settings), failure_receivers(settings)
    assert [receiver.setting for receiver in alerts] == [
        *both,
        *("LEADPIPE_ALERT_WEBHOOK_URL", "LEADPIPE_ALERT_SMTP_URL"),
    ]
    assert [receiver.setting for receiver in failures] == [*both, "LEADPIPE_FAILURE_WEBHOOK_URL"]
    for shown in (repr(settings), repr(alerts), repr(failures), repr([r.make for r in alerts])):
        assert "s3cr3t" not in shown
    assert alert_receivers(DeliverySettings()) == failure_receivers(DeliverySettings()) == []
    assert [r.setting for r in alert_receivers(DeliverySettings(**older))] == [
        "LEADPIPE_ALERT_WEBHOOK_URL"
    ]
