"""Messages to people: everyone reachable gets them, and no address shows when one is not."""

import base64
import json
import logging
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_string
from typing import Any

import apprise
import pytest
from click.testing import CliRunner
from pydantic import SecretStr, ValidationError

from leadpipe import notices
from leadpipe.cli import main
from leadpipe.errors import ConfigurationError
from leadpipe.notices import Receiver, mail_server, mistakes, receivers, send, text_webhook
from leadpipe.reports import failure_receivers
from leadpipe.settings import Settings, load_settings
from leadpipe_tests.inboxes import Inbox, MailServer, http_inbox

_SUBJECT = "leadpipe: failed leads"
_TEXT = "leadpipe: 12 failed leads wait\nleadpipe: der älteste wartet → 3 Stunden"
_SID, _TOKEN = "AC" + "1f" * 16, "5e" * 16
_TWILIO = f"twilio://{_SID}:{_TOKEN}@+15551230000/+15551230001"


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with http_inbox() as made:
        yield made


def told(*addresses: str) -> list[Receiver]:
    """The receivers of a setting X."""
    return receivers("X", SecretStr(" ".join(addresses)))


def sent(to: list[Receiver]) -> list[str]:
    """Send the text; the problems."""
    return send(_TEXT, to, subject=_SUBJECT)


def through(
    url: str, *, sender: str = "leadpipe@localhost", to: str = "ops@example.org"
) -> list[str]:
    """Send the text through a mail server; the problems."""
    return sent([mail_server("X", SecretStr(url), sender=sender, to=to)])


def test_a_plain_webhook_gets_the_text_and_nothing_else(inbox):
    """Path, query and login arrive as they are written; the body is {"text": …} alone."""
    url = f"http://us%40er:pass%2Fword@{inbox.place}/hooks/a%2Fb%20c?key=1&key=%26#there"
    assert sent([text_webhook("X", SecretStr(url))]) == []
    (request,) = inbox.requests
    assert request.body == {"text": _TEXT}
    assert request.path == "/hooks/a%2Fb%20c?key=1&key=%26"
    login = request.headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(login) == b"us@er:pass/word"


def test_a_chat_and_a_gateway_of_ones_own_get_the_message(inbox):
    """An address each, in one setting, separated by commas, semicolons or spaces; empty entries are none."""
    to = told(f",, mmost://{inbox.place}/a-token,", f"; json://{inbox.place}/gateway?-key=1", ", ;")
    assert sent(to) == []
    chat, gateway = sorted(inbox.requests, key=lambda request: str(request.path), reverse=True)
    assert (chat.path, chat.body["text"]) == ("/hooks/a-token", f"{_SUBJECT}\r\n{_TEXT}")
    assert gateway.path == "/gateway?key=1"
    assert (gateway.body["title"], gateway.body["message"]) == (_SUBJECT, _TEXT)


def test_an_sms_gateway_gets_the_message(inbox):
    """The subject is the first line of the SMS."""
    inbox.answer = b'{"result": {"message_id": "1", "status": "ok"}}'
    assert sent(told(f"smseagle://token@{inbox.place}/+15551230001")) == []
    (body,) = inbox.bodies
    assert body["params"]["to"] == "+15551230001"
    assert body["params"]["message"] == f"{_SUBJECT}\r\n{_TEXT}"


def test_mail_goes_to_everyone_as_plain_text():
    """By apprise's address, and by the older settings, whose server may take addresses without a dot."""
    with MailServer() as server:
        url = f"mailto://{server.place}?from=leadpipe@example.org&to=a@example.org,b@example.org"
        assert sent(told(url)) == []
        url = f"smtp://{server.place}"
        assert through(url, sender="leadpipe@box", to="Ops <c@example.org>, root@mailhost") == []
    mails = [message_from_string(mail) for mail in server.mails]
    assert [mail["To"] for mail in mails] == [
        *("a@example.org", "b@example.org", "Ops <c@example.org>", "root@mailhost")
    ]
    assert [mail["From"] for mail in mails[1:3]] == ["leadpipe@example.org", "leadpipe@box"]
    assert {mail["Subject"] for mail in mails} == {_SUBJECT}
    for mail in mails:
        body = mail.get_payload(decode=True)
        assert isinstance(body, bytes)
        assert _TEXT in body.decode().replace("\r\n", "\n")
    assert not [line for line in server.commands if line.startswith(("STARTTLS", "AUTH"))]


def test_a_password_waits_for_starttls():
    """A login over smtp:// asks for STARTTLS; when the server has none, neither login nor mail follow."""
    with MailServer() as server:
        problems = through(f"smtp://user:a-password@{server.place}")
    assert problems == ["X did not take the message: it refused, or nobody answers there"]
    assert server.mails == []
    assert [line for line in server.commands if line.startswith(("STARTTLS", "AUTH"))] == [
        "STARTTLS"
    ]


def test_a_login_over_smtps_is_made(monkeypatch):
    """The server's certificate is verified; user and password are those that the address quotes."""
    contexts: list[ssl.SSLContext] = []

    def without_tls(host, port, local, *, timeout, context):
        contexts.append(context)
        return smtplib.SMTP(host, port, local, timeout=timeout)

    monkeypatch.setattr(smtplib, "SMTP_SSL", without_tls)
    with MailServer() as server:
        assert through(f"smtps://us%40er:p%3Aw@{server.place}") == []
    assert [context.verify_mode for context in contexts] == [ssl.CERT_REQUIRED]
    (login,) = [line for line in server.commands if line.startswith("AUTH")]
    assert base64.b64decode(login.removeprefix("AUTH PLAIN ")) == b"\0us@er\0p:w"
    assert len(server.mails) == 1


def test_one_that_fails_keeps_no_message_from_the_others(inbox):
    """Refused, unreachable or unusable: each is a problem of its own, by its place among the addresses."""
    with http_inbox() as broken:
        broken.status = 500
        problems = sent(
            told(
                f"json://{broken.place}/secret",
                "json://127.0.0.1:9/secret",
                "secret://secret/secret",
                f"json://{inbox.place}/works",
                "mailto://127.0.0.1:9?from=a@example.org&to=secret",
            )
        )
    assert [body["message"] for body in inbox.bodies] == [_TEXT]
    assert sorted(problems) == [
        "X (address 1) did not take the message: HTTP 500",
        "X (address 2) did not take the message: it refused, or nobody answers there",
        "X (address 3) does not begin like an address of a known service; see Alerts in docs/delivery.md",
        "X (address 5) has a receiver in its mailto:// address that is none; see Alerts in docs/delivery.md",
    ]


@pytest.mark.parametrize("is_plain", [True, False])
def test_a_redirect_is_not_followed(inbox, is_plain):
    """A message goes where the address says or nowhere."""
    with http_inbox() as elsewhere:
        inbox.status, inbox.location = 307, elsewhere.url
        address = text_webhook("X", SecretStr(inbox.url)) if is_plain else None
        problems = sent([address] if address else told(f"json://{inbox.place}/"))
        assert (problems, elsewhere.requests) == (["X did not take the message: HTTP 307"], [])


def test_nobody_is_waited_for_for_long(inbox, monkeypatch):
    """Everything together has a deadline, however slowly someone answers."""
    monkeypatch.setattr(notices, "_DEADLINE_SECONDS", 0.5)
    inbox.is_open.clear()
    assert sent([text_webhook("X", SecretStr(inbox.url))]) == [
        "X did not take the message: no answer in time"
    ]
    inbox.is_open.set()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "X is no address"),
        ("secret", "X is no address"),
        ("ftp://127.0.0.1/secret", "X is no address"),
        ("http://", "X is no address"),
        ("https:///secret", "X is no address"),
        ("http://[secret", "X is no address"),
        ("http://127.0.0.1:secret/", "X is no address"),
        ("http://127.0.0.1/\nsecret", "X has a space or a control character"),
        ("http://127.0.0.1/\x00secret", "X has a space or a control character"),
    ],
)
def test_a_webhook_that_is_no_address_is_a_problem(url, problem):
    """An older setting with nonsense breaks nothing, and is named when there is something to say."""
    (found,) = sent([text_webhook("X", SecretStr(url))])
    assert found.startswith(problem)
    assert "secret" not in found


def test_a_library_that_fails_is_a_problem(inbox, monkeypatch):
    """Whoever reports a failure does not fail of it."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a-secret-token")

    monkeypatch.setattr(apprise.Apprise, "notify", fail)
    problems = sent([text_webhook("X", SecretStr(inbox.url))])
    assert problems == ["X did not take the message: apprise failed"]


@pytest.mark.parametrize(
    "address",
    [
        _TWILIO,
        "vonage://abcd0123:secret0123456789@15551230000/15551230001",
        f"slack://T00000000/B00000000/{'s' * 24}/#ops",
        f"https://hooks.slack.com/services/T00000000/B00000000/{'s' * 24}",
        "mailtos://alerts%40example.com:secret@smtp.example.com?from=alerts@example.com&to=ops@example.com",
        "mmosts://chat.example.com/secret",
        "jsons://gateway.example.com/sms?+Authorization=Bearer%20secret",
    ],
)
def test_services_that_cannot_be_tried_here_are_known(address):
    """Their addresses are taken by themselves and among others, without anything being sent."""
    assert mistakes(SecretStr(address)) == []
    assert mistakes(SecretStr(f"json://127.0.0.1,{address} json://127.0.0.1")) == []


@pytest.mark.parametrize(
    ("address", "mistake"),
    [
        ("secret", "it does not begin like"),
        ("secret://secret", "it does not begin like"),
        ("https://example.com/secret", "it does not begin like"),
        ("json:/secret", "it does not begin like"),
        ("twilio://secret", "it has a twilio:// address that is incomplete"),
        ("mailto://", "it has a mailto:// address that is incomplete"),
        ("json://[secret", "it has a json:// address that is incomplete"),
        (f"{_TWILIO}/secret", "it has a receiver in its twilio:// address that is none"),
        ("mailto://u:secret@example.com?to=secret", "it has a receiver in its mailto://"),
        ("json://127.0.0.1/a\x1b[31msecret", "it has a space or a control character"),
        ("json://127.0.0.1 secret", "it has a space or a control character"),
        ("json://127.0.0.1 secret://x", "it (address 2) does not begin like"),
        ("secret json://127.0.0.1", "it (address 1) does not begin like"),
    ],
)
def test_a_wrong_address_is_explained_without_it(address, mistake, monkeypatch):
    """At start and by `leadpipe check`: the setting and what is wrong, with nothing secret."""
    (found,) = mistakes(SecretStr(address))
    assert found.startswith(mistake)
    given: dict[str, Any] = {"alert_to": address}
    with pytest.raises(ValidationError) as plain:
        Settings(**given)
    monkeypatch.setenv("LEADPIPE_ALERT_TO", address)
    with pytest.raises(ConfigurationError, match=r"^LEADPIPE_ALERT_TO: .*it ") as raised:
        load_settings()
    checked = CliRunner().invoke(main, ["check", "--json"])
    assert (checked.exit_code, json.loads(checked.output)[0]["what"]) == (1, "settings")
    for text in (str(raised.value), str(plain.value), checked.output, found):
        assert "secret" not in text
        assert _TOKEN not in text


def test_the_settings_say_who_is_told():
    """LEADPIPE_ALERT_TO is told everything, and the chat of failures what it always was."""
    settings = Settings(
        alert_to=f"json://127.0.0.1,{_TWILIO}", failure_webhook_url="https://b.example/s3cr3t"
    )
    failures = failure_receivers(settings)
    assert [receiver.setting for receiver in failures] == [
        "LEADPIPE_ALERT_TO (address 1)",
        "LEADPIPE_ALERT_TO (address 2)",
        "LEADPIPE_FAILURE_WEBHOOK_URL",
    ]
    for shown in (repr(settings), repr(failures), repr([r.make for r in failures])):
        assert "s3cr3t" not in shown
        assert _TOKEN not in shown
    assert failure_receivers(Settings()) == []


def test_addresses_are_in_no_log(inbox, caplog, capfd):
    """Not at DEBUG, of no library, whether a message arrives, is refused or has nowhere to go."""
    with caplog.at_level(logging.DEBUG), MailServer() as server, http_inbox() as broken:
        broken.status = 403
        problems = sent(
            [
                text_webhook("X", SecretStr(inbox.url)),
                text_webhook("X", SecretStr(broken.url)),
                *told(
                    f"json://secret:secret@{inbox.place}/secret",
                    f"mmost://{broken.place}/secret?rto=3",
                    f"smseagle://secret@{broken.place}/+15551230001",
                    f"mailto://{server.place}?from=secret@example.org&to=secret@example.org",
                    "mailto://127.0.0.1:9?from=secret@example.org&to=secret@example.org",
                    "json://127.0.0.1:9/secret",
                    "secret://secret",
                    "twilio://secret:secret@secret",
                    "smseagle://secret@127.0.0.1/secret",
                ),
                mail_server("X", SecretStr("smtp://secret:secret@[secret"), sender="a", to="b"),
            ]
        )
    assert len(problems) == 9
    for text in (caplog.text, "\n".join(problems), *capfd.readouterr()):
        assert "secret" not in text
        assert "127.0.0.1" not in text


def test_apprise_is_loaded_only_when_it_is_needed():
    """Neither the commands nor settings without addresses wait for it."""
    code = (
        "import sys, leadpipe.cli, leadpipe.settings, leadpipe.notices as notices;"
        "leadpipe.settings.load_settings(); notices.send('a', [], subject='b');"
        "print('apprise' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
