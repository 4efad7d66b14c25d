"""Alerts: told when they begin and end, not in between, through every channel."""

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

from pydantic import SecretStr

from leadpipe.delivery.alerts import AlertRules, Channels, due_alerts, keep_told, tell
from leadpipe_tests.delivery.builders import deliver_to, hand_over, lead

_RULES = AlertRules(failed=2, success_rate=50.0, oldest=timedelta(hours=2))


def told(warehouse, *, after: timedelta = timedelta(0)) -> list[str]:
    """The rules that are told at a time, kept as told."""
    now = datetime.now(UTC) + after
    with warehouse.transaction() as connection:
        alerts = due_alerts(connection, _RULES, now=now)
        keep_told(connection, alerts, now=now)
    return [
        f"{'!' if alert.is_firing else '-'} {alert.rule}"
        for alert in alerts
        if alert.rule != "daily summary"
    ]


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


def test_a_summary_is_told_once_a_day(warehouse):
    """Counts only."""
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    with warehouse.transaction() as connection:
        first = due_alerts(connection, _RULES, now=now)
        keep_told(connection, first, now=now)
        assert due_alerts(connection, _RULES, now=now + timedelta(hours=11)) == []
        assert len(due_alerts(connection, _RULES, now=now + timedelta(hours=13))) == 1
    assert [alert.message for alert in first] == [
        "in 24 hours 0 leads came in and 0 were delivered; 0 are on their way, 0 need a person"
    ]


def test_alerts_go_to_log_webhook_and_mail(warehouse):
    """All three get the same text; a channel that fails is named without its address."""
    posted: list[str] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["content-length"])
            posted.append(json.loads(self.rfile.read(length))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    mails: list[str] = []
    with HTTPServer(("127.0.0.1", 0), Hook) as hook, MailServer(mails) as port:
        thread = threading.Thread(target=hook.handle_request)
        thread.start()
        logged: list[str] = []
        with warehouse.connect() as connection:
            alerts = due_alerts(connection, _RULES, now=datetime.now(UTC))
        channels = Channels(
            SecretStr(f"http://127.0.0.1:{hook.server_port}/"),
            SecretStr(f"smtp://127.0.0.1:{port}"),
            mail_to=("ops@example.org",),
        )
        assert tell(alerts, channels, log=logged.append) == []
        thread.join(5)
    assert posted == logged
    assert "To: ops@example.org" in mails[0]
    assert "0 need a person" in mails[0]
    dead = Channels(SecretStr("http://127.0.0.1:9/token"))
    assert tell(alerts, dead, log=logged.append) == [
        "LEADPIPE_ALERT_WEBHOOK_URL took no alert: ConnectError"
    ]


class MailServer:
    """A mail server on loopback that keeps what it is sent."""

    def __init__(self, mails: list[str]) -> None:
        self.mails = mails

    def __enter__(self) -> int:
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.talk, "127.0.0.1", 0))
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        return int(self.server.sockets[0].getsockname()[1])

    def __exit__(self, *_) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.server.close()
        self.loop.run_until_complete(self.server.wait_closed())
        self.loop.close()

    async def talk(self, reader, writer) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                writer.write(b"354 go\r\n")
                text = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append(text.decode())
            writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                break
        writer.close()
        await writer.wait_closed()
