"""Every answer of the webhook: whether PostHog tries again, and what a refusal for good leaves behind."""

import asyncio
import base64
import gzip
import hashlib
import hmac
import json
import re
import threading

import pytest
from pydantic import SecretStr

from leadpipe.errors import ConfigurationError
from leadpipe.inbox import writer
from leadpipe.inbox.payloads import Payload
from leadpipe_tests.clocks import NOW
from leadpipe_tests.docs.markdown import ROOT, sections, table_rows
from leadpipe_tests.inbox.builders import a_body, fresh
from leadpipe_tests.inbox.test_webhook import PATH, RIGHT, post, signed
from leadpipe_tests.web.fixtures import SECRET

_RETRIED = {408, 429, 500, 502, 503, 504}  # PostHog's list
_UTF_16 = json.dumps({"event": {"event": "lead_phone", "uuid": "é"}}, ensure_ascii=False)
_NUMBERS = json.dumps(list(range(1_000))).encode()
_LONG = b"[" + b" " * 10_000_000 + b"]"


def letters(inbox):
    """Reason and content of the dead letters."""
    return [(letter.reason, letter.content) for letter in inbox.dead_letters()]


def signed_bytes(body):
    """The headers of Standard Webhooks for a body that may be no text."""
    moment = str(int(NOW.timestamp()))
    digest = hmac.new(SECRET.encode(), b"msg_1." + moment.encode() + b"." + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(digest.digest()).decode()}",
    }


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason", "content"),
    [
        (b"", {}, 400, "the body is not JSON: ", ""),
        (_UTF_16.encode("utf-16"), {}, 400, "the body is not JSON: ", _UTF_16),
        (_UTF_16.encode("utf-16-le"), {}, 400, "the body is not JSON: ", _UTF_16),
        (_UTF_16.encode("utf-16-be"), {}, 400, "the body is not JSON: ", _UTF_16),
        (b"\xff\xfe", {}, 400, "the body is not JSON: ", "\\xff\\xfe"),
        (b'{"event": "a\x00b"}', {}, 400, "the body is not JSON: ", '{"event": "a\x00b"}'),
        (b"[" * 10_000, {}, 400, "the body is not JSON: ", "[" * 10_000),
        (b"event=lead&uuid=1", {}, 400, "the body is not JSON: ", "event=lead&uuid=1"),
        (
            b"event=lead&uuid=1",
            {"Content-Type": "application/x-www-form-urlencoded"},
            415,
            "415: Content-Type is 'application/x-www-form-urlencoded'; send application/json",
            "event=lead&uuid=1",
        ),
        (
            b"\x01\x02",
            {"Content-Encoding": "br"},
            415,
            "415: Content-Encoding 'br' is not known; send gzip or none",
            "\x01\x02",
        ),
        (
            b"no gzip",
            {"Content-Encoding": "gzip"},
            400,
            "400: the body is no gzip: ",
            "no gzip",
        ),
        (
            gzip.compress(_NUMBERS)[:-100],
            {"Content-Encoding": "gzip"},
            400,
            "400: the gzip body is cut off",
            "[0, 1, 2",
        ),
        (_LONG, {}, 413, "413: the body is larger than 2000000 bytes", "[" + " " * 9_999),
        (
            gzip.compress(_LONG),
            {"Content-Encoding": "gzip"},
            413,
            "413: the body is larger than 2000000 bytes",
            "[" + " " * 9_999,
        ),
        (b'{"event": {"event": "lead_phone"}}', {}, 422, "no UUID at event.uuid", None),
    ],
    ids=[
        *("empty", "UTF-16 with a mark", "UTF-16-LE", "UTF-16-BE", "only a mark", "NUL"),
        *("nested 10,000 deep", "a form", "a form by its type", "another encoding", "no gzip"),
        *("cut gzip", "10 MB", "10 MB unzipped", "no uuid"),
    ],
)
@pytest.mark.parametrize("way", ["secret", "signature"])
def test_what_is_refused_for_good_leaves_what_it_was(  # noqa: PLR0917 - a table of cases
    client, inbox, body, headers, status, reason, content, way
):
    """A status that PostHog never repeats, and a dead letter with the body's beginning, if it is PostHog's.

    Of a signed body that cannot be read to its end nobody knows whose it is: it leaves nothing. Nor does one
    that is no UTF-8, which PostHog never signs.
    """
    sent = RIGHT | headers if way == "secret" else signed_bytes(body) | headers
    answer = client.post(PATH, content=body, headers=sent)
    if way == "signature" and "é".encode() not in body and not body.isascii() and not headers:
        assert (answer.status_code, letters(inbox)) == (401, [])
        return
    assert answer.status_code == status
    assert answer.status_code not in _RETRIED
    is_unread = status == 413 or "Content-Encoding" in headers
    if way == "signature" and is_unread:
        assert letters(inbox) == []
        return
    ((kept_reason, kept_content),) = letters(inbox)
    assert kept_reason.startswith(reason)
    assert content is None or kept_content[: len(content)] == content
    assert len(kept_content) <= 10_000


@pytest.mark.parametrize("depth", [900, 1_100, 10_000])
def test_a_deep_property_is_an_event_or_a_dead_letter(client, inbox, depth):
    """However deep it is, it is never an error of ours."""
    text = json.dumps(fresh(event="lead_phone", properties={"deep": "HERE"}))
    body = text.replace('"HERE"', "[" * depth + "]" * depth).encode()
    status, _ = post(client, body)
    state = inbox.state()
    assert (status, state.waiting, state.dead_letters) in {(200, 1, 0), (400, 0, 1), (422, 0, 1)}


@pytest.mark.parametrize("depth", [900, 1_100])
def test_a_deep_problem_is_a_dead_letter(client, inbox, depth):
    """An event that cannot be used is kept as it was, also where it is deep."""
    text = json.dumps(a_body(event="lead_phone", uuid="none", properties={"deep": "HERE"}))
    status, _ = post(client, text.replace('"HERE"', "[" * depth + "]" * depth).encode())
    assert status in {400, 422}
    ((_, content),) = letters(inbox)
    assert content.count("[") == depth


def test_a_dead_letter_in_utf_16_can_be_read_again(client, inbox):
    """It is kept as text, so that `leadpipe inbox retry` takes it as UTF-8."""
    post(client, json.dumps(fresh()).encode("utf-16"))
    (letter,) = inbox.dead_letters()
    assert post(client, letter.content.encode())[0] == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_method_that_is_not_for_events_leaves_what_it_brought(client, inbox, method):
    """Whoever sends with the secret finds it among the dead letters; a stranger leaves nothing."""
    body = json.dumps(fresh()).encode()
    assert client.request(method, PATH, content=body).status_code == 405
    assert letters(inbox) == []
    answer = client.request(method, PATH, content=body, headers=RIGHT)
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (
        405,
        {"GET", "HEAD", "POST"},
    )
    assert letters(inbox) == [(f"405: {method} is not for this address", body.decode())]


def test_a_get_of_a_destination_is_no_success(client):
    """PostHog's GET has a Content-Type and no event: the health check's 200 would hide that nothing came."""
    assert client.get(PATH).status_code == 200
    assert client.head(PATH).status_code == 200
    answer = client.get(PATH, headers=RIGHT)
    assert (answer.status_code, answer.json()) == (
        405,
        {"error": "events come by POST, this is the health check"},
    )


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_no_spelling_of_the_path_is_redirected(client, method):
    """With a slash at its end it answers as without."""
    answers = [
        client.request(method, f"{PATH}{end}", content=b"{}", follow_redirects=False, headers=RIGHT)
        for end in ("", "/")
    ]
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].status_code not in range(300, 400)


def test_a_disk_that_can_be_written_again_is_asked_later(client, inbox):
    """503 and a minute: PostHog tries three times in all, so seconds would be over at once."""
    for file in inbox.path.parent.glob("inbox.sqlite*"):
        file.unlink()
    inbox.path.mkdir()
    answers = [
        client.post(PATH, content=body, headers=RIGHT)
        for body in (json.dumps(fresh()).encode(), b"{", b"x" * 3_000_000)
    ]
    inbox.path.rmdir()
    assert [(each.status_code, each.headers["retry-after"]) for each in answers] == [
        (503, "60")
    ] * 3


def test_an_inbox_that_is_busy_is_asked_soon(client, inbox, monkeypatch):
    """503 and seconds, as nothing is wrong with it."""

    async def busy(self, payload):
        raise writer.InboxBusy("20000 requests wait for the disk already")

    monkeypatch.setattr(writer.InboxWriter, "add", busy)
    answer = client.post(PATH, json=fresh(), headers=RIGHT)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_full_queue_is_busy(inbox, monkeypatch):
    """More requests than fit wait for no disk; they are told at once."""
    monkeypatch.setattr(writer, "_MOST_WAITING", 1)
    is_open = threading.Event()
    monkeypatch.setattr(writer.InboxWriter, "_write", lambda self: is_open.wait(30))
    full = writer.InboxWriter(inbox, clock=lambda: NOW)
    full._requests.put(None)
    try:
        with pytest.raises(writer.InboxBusy, match="1 requests wait for the disk already"):
            asyncio.run(full.add(Payload()))
    finally:
        is_open.set()
        full._requests.get()
        full.close()


def test_a_slow_body_is_asked_for_again(client, inbox, monkeypatch):
    """408, which PostHog repeats; nothing is kept of what did not come to its end."""
    monkeypatch.setattr("leadpipe.web.bodies._SECONDS", 0.01)

    async def slowly(self):
        yield b"{"
        await asyncio.sleep(30)

    monkeypatch.setattr("starlette.requests.Request.stream", slowly)
    assert post(client, {})[0] == 408
    assert letters(inbox) == []


def test_the_page_says_of_every_answer_whether_it_is_repeated():
    """docs/web.md names them all, and agrees with PostHog's list."""
    rows = table_rows(sections(ROOT / "docs" / "web.md", level=2)["Connect PostHog's webhook"])
    said = {int(row[0]): row[1] for row in rows if re.fullmatch(r"\d{3}", row[0])}
    assert {status for status, again in said.items() if again.startswith("yes")} == (
        _RETRIED & said.keys()
    )


def test_a_retry_is_taken_and_a_replay_is_not(client, inbox):
    """The same id with a new time and signature is PostHog's retry; an old signature is refused."""
    body = json.dumps(fresh()).encode()
    assert post(client, body, headers=signed(body, minutes=-6))[0] == 401
    assert post(client, body, headers=signed(body, minutes=-4))[1]["duplicates"] == 0
    assert post(client, body, headers=signed(body))[1]["duplicates"] == 1
    assert inbox.state().waiting == 1


def test_the_secret_beside_another_signature_is_enough(client):
    """A destination may sign with a key of its own and send the secret as a header."""
    body = json.dumps(fresh()).encode()
    headers = signed(body, secret="whsec_" + "a" * 44)
    assert post(client, body, headers=headers)[0] == 401
    assert post(client, body, headers=headers | {"X-Leadpipe-Secret": SECRET})[0] == 200


def test_a_signature_of_another_shape_or_time_costs_no_body(client):
    """It is refused before the body is read: not even its size is looked at."""
    big = b"x" * 3_000_000
    for change in ({"webhook-timestamp": "1"}, {"webhook-signature": "v1,short"}):
        assert post(client, big, headers=signed(big) | change)[0] == 401
    assert post(client, big, headers=signed(big))[0] == 413


def test_an_empty_secret_is_none_that_anybody_brings(start):
    """It is refused at the start, as every request would bring it."""
    with pytest.raises(ConfigurationError, match="POSTHOG_WEBHOOK_SECRET is empty"):
        start(posthog_webhook_secret=SecretStr(""))
