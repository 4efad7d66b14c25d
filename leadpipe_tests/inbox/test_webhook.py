"""The webhook over HTTP: what is accepted, what is refused and how, and that nothing is lost."""

import base64
import gzip
import json
import logging
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from leadpipe.inbox.store import InboxState
from leadpipe_tests.clocks import NOW
from leadpipe_tests.inbox.builders import RECORDED, a_body, fresh
from leadpipe_tests.web.fixtures import SECRET

PATH = "/api/webhooks/posthog"
RIGHT = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
_NOT_UTF_8 = "'utf-8' codec can't decode byte 0xe9 in position 3: unexpected end of data"
NOTHING = {"accepted": 0, "duplicates": 0, "ignored": 0}
RECORDED_HTTP = json.loads(
    (Path(__file__).parents[1] / "recorded/webhook_http/001_POST_webhook.json").read_text()
)


def post(client, content, *, headers=RIGHT):
    """Post an object as JSON, or bytes as they are; the status and the answer."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    answer = client.post(PATH, content=body, headers=headers)
    return answer.status_code, answer.json()


def signed(body, *, secret=SECRET, minutes=0, message="msg_1", sent=None):
    """The headers of Standard Webhooks for a body."""
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    key = secret if secret.startswith("whsec_") else secret.encode()
    return {
        "Content-Type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(key).sign(message, moment, (sent or body).decode()),
    }


def test_the_recorded_request_is_accepted(start, inbox):
    """What PostHog's HTTP destination really sent is taken as it is, secret header and all."""
    client = start(posthog_webhook_secret=SecretStr(SECRET))
    headers = {
        name: value
        for name, value in RECORDED_HTTP["headers"].items()
        if name.lower() in {"content-type", "accept", "x-leadpipe-secret"}
    }
    headers = {
        n: SECRET if v == "s3cret" else v for n, v in headers.items()
    }  # at least 20 characters
    assert SECRET in headers.values()
    assert post(client, RECORDED_HTTP["body"], headers=headers) == (200, NOTHING | {"accepted": 1})
    (event,) = inbox.take()
    assert event.event == "$pageview"


def test_an_answer_means_that_the_events_are_kept(client, inbox):
    """Accepted, duplicate, ignored and rejected events are told apart; the file has what was accepted."""
    same = fresh()
    content = [same, same, fresh(), fresh(event="$autocapture"), fresh(timestamp="noon")]
    status, answer = post(client, content)
    error = answer.pop("error")
    assert (status, answer) == (200, {"accepted": 3, "duplicates": 1, "ignored": 1, "rejected": 1})
    assert error.startswith("no readable time at event.timestamp")
    assert inbox.state() == InboxState(2, NOW, 1, 3, 1, NOW)


def test_the_same_delivery_again_changes_nothing(client, inbox):
    """PostHog delivers at least once."""
    answers = [post(client, RECORDED) for _ in range(3)]
    assert [answer["duplicates"] for _, answer in answers] == [0, 1, 1]
    assert inbox.state().waiting == 1


def test_get_is_a_health_check(client):
    """Without a secret one learns that the endpoint is there, and nothing of what it holds."""
    post(client, fresh())
    assert client.get(PATH).json() == {
        "status": "ok",
        "secured": True,
        "waiting": 1,
        "lastReceivedAt": NOW.isoformat(),
    }


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(client, method):
    """Only GET and POST are for this address."""
    answer = client.request(method, PATH)
    assert (answer.status_code, answer.json()) == (
        405,
        {"error": f"{method} is not for this address"},
    )
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": SECRET},
        {"Authorization": f"Basic {base64.b64encode(SECRET.encode()).decode()}"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {SECRET}x"},
        {"Authorization": "Bearer \u00fc".encode("latin-1")},
        {"X-Leadpipe-Secret": "wrong"},
    ],
)
def test_a_wrong_secret_is_refused_and_nothing_kept(client, inbox, headers, caplog):
    """401 with the next step; neither the answer nor the log has the secret or the guess."""
    caplog.set_level(logging.DEBUG)
    status, answer = post(client, fresh(), headers={"Content-Type": "application/json", **headers})
    assert (status, answer) == (
        401,
        {
            "error": "the secret is missing or wrong; send `Authorization: Bearer …` with "
            "POSTHOG_WEBHOOK_SECRET"
        },
    )
    assert inbox.state().received == 0
    assert SECRET not in caplog.text


def test_a_stranger_cannot_make_us_read_a_body(client):
    """With a wrong secret the body is not looked at: not its type, not its size."""
    status, _ = post(client, b"x" * 3_000_000, headers={"Authorization": "Bearer wrong"})
    assert status == 401


def test_thousands_of_wrong_secrets_are_slowed_down(client, inbox):
    """After twenty in a minute the answer is 429; the right secret still works."""
    statuses = [post(client, {}, headers={"Authorization": f"Bearer {n}"})[0] for n in range(2_000)]
    assert (statuses[:20], set(statuses[20:])) == ([401] * 20, {429})
    assert post(client, fresh())[0] == 200
    answer = client.post(PATH, headers={"Authorization": "Bearer wrong"})
    assert 1 <= int(answer.headers["retry-after"]) <= 61


@pytest.mark.parametrize("secret", [SECRET, "whsec_" + base64.b64encode(b"k" * 24).decode()])
def test_a_standard_webhooks_signature_is_accepted(start, inbox, secret):
    """A signature instead of the secret, with a plain key or a whsec_ one."""
    client = start(posthog_webhook_secret=SecretStr(secret))
    body = json.dumps(fresh()).encode()
    assert post(client, body, headers=signed(body, secret=secret))[0] == 200
    assert inbox.state().waiting == 1


@pytest.mark.parametrize(
    "change",
    [
        {"minutes": -6},
        {"minutes": 6},
        {"secret": "another"},
        {"sent": b"{}"},
    ],
    ids=["replayed later", "from the future", "another key", "another body"],
)
def test_a_signature_that_is_not_right_is_refused(client, inbox, change):
    """Old, future, forged, or made for another body: 401, and nothing is kept."""
    body = json.dumps(fresh()).encode()
    assert post(client, body, headers=signed(body, **change))[0] == 401
    assert inbox.state().received == 0


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-signature": "nonsense"},
        {"webhook-signature": "v1,!!!"},
        {"webhook-signature": "v2,aaaa"},
        {"webhook-id": ""},
    ],
)
def test_a_malformed_signature_is_refused(client, change):
    """Whatever stands in the headers, it is a 401 and no error of ours."""
    body = json.dumps(fresh()).encode()
    assert post(client, body, headers=signed(body) | change)[0] == 401


def test_a_replayed_signature_within_five_minutes_counts_once(client, inbox):
    """The same signed delivery again is a duplicate, not another event."""
    body = json.dumps(fresh()).encode()
    headers = signed(body)
    answers = [post(client, body, headers=headers)[1]["duplicates"] for _ in range(3)]
    assert (answers, inbox.state().waiting) == ([0, 1, 1], 1)


@pytest.mark.parametrize(
    ("body", "headers", "status", "error"),
    [
        (
            b"{}",
            {"Content-Type": "text/plain"},
            415,
            "Content-Type is 'text/plain'; send application/json",
        ),
        (b"{}", {"Content-Type": ""}, 415, "Content-Type is 'missing'; send application/json"),
        (
            b"{}",
            {"Content-Encoding": "br"},
            415,
            "Content-Encoding 'br' is not known; send gzip or none",
        ),
        (
            b"{}",
            {"Content-Encoding": "gzip"},
            400,
            "the body is no gzip: Error -3 while decompressing data: incorrect header check",
        ),
        (
            gzip.compress(b"{}" * 99, mtime=0)[:-20],
            {"Content-Encoding": "gzip"},
            400,
            "the gzip body is cut off",
        ),
        (
            b"[" + b" " * 10_000_000 + b"]",
            {},
            413,
            "the body is larger than 2000000 bytes; send smaller batches",
        ),
        (
            gzip.compress(b" " * 10_000_000, mtime=0),
            {"Content-Encoding": "gzip"},
            413,
            "the body is larger than 2000000 bytes; send smaller batches",
        ),
    ],
)
def test_bad_bodies_get_the_right_status_and_a_short_error(client, body, headers, status, error):
    """Garbage, cut gzip, other types and encodings, ten megabytes, a zip bomb."""
    assert post(client, body, headers=RIGHT | headers) == (status, {"error": error})


@pytest.mark.parametrize(
    ("body", "error", "content"),
    [
        (b"{", "the body is not JSON: Input data was truncated", "{"),
        (b"", "the body is not JSON: Input data was truncated", ""),
        (
            b"\x00\xff",
            "the body is not JSON: JSON is malformed: invalid character (byte 0)",
            "\x00\\xff",
        ),
        (
            b'{"event": "caf\xe9"}',
            f"the body is not JSON: {_NOT_UTF_8}",
            '{"event": "caf\\xe9"}',
        ),
        (b"17", "the body should be a JSON object or a list of them", "17"),
    ],
)
def test_a_body_beyond_repair_is_kept_as_it_was(client, inbox, body, error, content):
    """400, which PostHog does not send again; a person finds what it was among the dead letters."""
    kept = f"{error}. Kept as unreadable: see `leadpipe inbox dead`."
    assert post(client, body) == (400, {"error": kept})
    (letter,) = inbox.dead_letters()
    assert (letter.reason, letter.content, letter.received_at) == (error, content, NOW)
    assert inbox.state().waiting == 0


def test_half_an_emoji_in_a_body_is_replaced(client, inbox):
    """The event is taken; in JSON within a text as well, and whole pairs stay."""
    body = json.dumps(
        [
            fresh(event="lead_phone", properties={"note": "see you \ud83d", "ok": "\U0001f600"}),
            fresh(event="lead_phone", properties='{"note": "\\udc00", "path": "\\\\ud83d"}'),
            fresh(event="lead_phone", distinct_id="ann \ud83d"),
        ]
    ).encode()
    assert b"\\ud83d" in body
    assert post(client, body) == (200, NOTHING | {"accepted": 3})
    first, second, third = (json.loads(event.wire) for event in inbox.take())
    assert json.loads(first[6]) == {"note": "see you \ufffd", "ok": "\U0001f600"}
    assert json.loads(second[6]) == {"note": "\ufffd", "path": "\\ud83d"}
    assert third[4] == "ann \ufffd"


def test_an_unreadable_body_that_cannot_be_kept_is_to_be_sent_again(client, inbox):
    """What was not kept is not refused for good."""
    for file in inbox.path.parent.glob("inbox.sqlite*"):
        file.unlink()
    inbox.path.mkdir()
    answer = client.post(PATH, content=b"{", headers=RIGHT)
    inbox.path.rmdir()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")


def test_gzip_is_unzipped(client, inbox):
    """A body may be gzip if it says so."""
    body = gzip.compress(json.dumps(fresh()).encode())
    assert post(client, body, headers=RIGHT | {"Content-Encoding": "gzip"})[0] == 200
    assert inbox.state().waiting == 1
    assert zlib.crc32(body) >= 0


def test_a_body_without_any_usable_event_is_422_and_kept(client, inbox):
    """Wrong types are told at once, and the body waits as a dead letter."""
    status, answer = post(client, a_body(uuid=17))
    assert (status, answer) == (
        422,
        NOTHING
        | {
            "rejected": 1,
            "error": "no UUID at event.uuid. Kept as unreadable: see `leadpipe inbox dead`.",
        },
    )
    (letter,) = inbox.dead_letters()
    assert json.loads(letter.content) == a_body(uuid=17)


def test_unknown_events_are_fine(client, inbox):
    """A webhook may send everything: what leadpipe does not read is counted as ignored."""
    assert post(client, fresh(event="$autocapture")) == (200, NOTHING | {"ignored": 1})
    assert inbox.state().received == 0


def test_without_a_secret_only_this_machine_may_send(start, inbox):
    """In open mode only: not where others can reach the page, and not for a page of another site."""
    assert post(start(), fresh(), headers={"Content-Type": "application/json"})[0] == 200
    elsewhere = start(client="203.0.113.7", is_public=True)
    status, answer = post(elsewhere, fresh(), headers={"Content-Type": "application/json"})
    assert (status, answer) == (
        403,
        {"error": "POSTHOG_WEBHOOK_SECRET is not set, so nobody may call; set it"},
    )
    crossed = {"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}
    assert post(start(), fresh(), headers=crossed)[0] == 403
    assert inbox.state().waiting == 1


def test_an_inbox_that_cannot_be_written_is_503_and_asks_to_try_again(client, inbox):
    """What could not be kept is not acknowledged; as soon as it can be written, all is well."""
    client.post(PATH, json=fresh(), headers=RIGHT)
    for file in inbox.path.parent.glob("inbox.sqlite*"):
        file.unlink()
    inbox.path.mkdir()
    answer = client.post(PATH, json=fresh(), headers=RIGHT)
    inbox.path.rmdir()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert answer.json()["error"].startswith(f"The inbox {inbox.path} cannot be opened")
    assert client.post(PATH, json=fresh(), headers=RIGHT).status_code == 200


def test_a_mapping_of_ones_own_is_used(start, inbox):
    """LEADPIPE_WEBHOOK_FIELDS applies to the endpoint."""
    client = start(webhook_fields="uuid=id")
    body = fresh()
    content = body | {"id": body["event"].pop("uuid")}
    assert post(client, content, headers={"Content-Type": "application/json"})[0] == 200
    assert inbox.state().waiting == 1
