"""Webhook destinations as PostHog runs them: what is tried again, for how long, how it is signed."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from typing import Any

import pytest
from standardwebhooks import Webhook

from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog_sandbox.asking import rows
from posthog_sandbox.process import SandboxProcess

_KEY = base64.b64encode(bytes(range(32))).decode()
_VIEW = {"event": "$pageview", "timestamp": NOW, "distinct_id": "device-1", "properties": {"a": 1}}


class Receiver:
    """Answers with the statuses it was told, then 200; remembers what it was sent."""

    def __init__(self, answers: list[tuple[int, dict[str, str]]], seconds: float) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.requests.append((self.path, dict(self.headers), body))
                sleep(seconds)
                status, headers = answers.pop(0) if answers else (200, {})
                self.send_response(status)
                for name, value in {**headers, "Content-Length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"


@contextmanager
def receiving(*answers: int | tuple[int, str], seconds: float = 0.0) -> Iterator[Receiver]:
    """An address on loopback; an answer is a status, or one with a `Retry-After`."""
    told: list[tuple[int, dict[str, str]]] = [
        (each, {}) if isinstance(each, int) else (each[0], {"Retry-After": each[1]})
        for each in answers
    ]
    receiver = Receiver(told, seconds)
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join(10)


def sent(sandbox: SandboxProcess, url: str, **options: Any) -> tuple[list[int | None], str | None]:
    """The statuses of one event's attempts, without waiting between them, and what became of it."""
    destination = sandbox.control.add_destination(url, **{"wait_scale": 0.0, **options})
    sandbox.control.insert([_VIEW])
    (delivery,) = sandbox.control.deliveries(destination)
    return [attempt["status"] for attempt in delivery["attempts"]], delivery["outcome"]


@pytest.mark.parametrize(
    ("answers", "statuses", "outcome"),
    [
        ((), [200], "delivered"),
        *(((status,), [status, 200], "delivered") for status in (408, 429, 500, 502, 503, 504)),
        ((503, 503, 503), [503, 503, 503], "given up"),
        ((429,) * 5, [429] * 5 + [200], "delivered"),
        ((429,) * 6, [429] * 6, "given up"),
        *(
            ((status,), [status], "failed")
            for status in (301, 307, 400, 401, 403, 404, 413, 415, 422)
        ),
    ],
)
def test_the_status_decides_whether_it_is_tried_again(sandbox, answers, statuses, outcome):
    """Three attempts, six at 429; what is the sender's own fault, and a redirect, is never repeated."""
    with receiving(*answers) as receiver:
        assert sent(sandbox, receiver.url) == (statuses, outcome)


def test_nobody_listens(sandbox):
    """An error of the network is tried again."""
    with receiving() as receiver:
        url = receiver.url
    assert sent(sandbox, url) == ([None] * 3, "given up")


def test_an_answer_must_come_in_time(sandbox):
    """Ten seconds, or what a test says."""
    with receiving(seconds=0.5) as receiver:
        assert sent(sandbox, receiver.url, timeout_seconds=0.1) == ([None] * 3, "given up")


def test_waits_grow_and_retry_after_is_honoured(sandbox):
    """One second more at each attempt; a longer time that the server asks for, up to five minutes."""
    with receiving(503, (429, "7"), (429, "9000"), (429, "soon")) as receiver:
        destination = sandbox.control.add_destination(receiver.url, wait_scale=0.0)
        sandbox.control.insert([_VIEW])
        (delivery,) = sandbox.control.deliveries(destination)
    waits = [attempt["next_in_seconds"] for attempt in delivery["attempts"]]
    assert waits == [1.0, 7.0, 300.0, 4.0, None]


def test_each_attempt_is_signed_anew(sandbox):
    """The id stays; the key is what the secret's base64 stands for."""
    with receiving(503) as receiver:
        sent(sandbox, receiver.url, signing_secret=f"whsec_{_KEY}")
    (_, first, body), (_, second, _) = receiver.requests
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] == str(int(NOW.timestamp()))
    Webhook(bytes(range(32))).verify(body, second, json_parse=False)


@pytest.mark.parametrize("secret", ["plain words", "whsec_", _KEY[:30], f"whsec_{_KEY[:30]}", ""])
def test_with_a_secret_that_cannot_sign_nothing_is_sent(sandbox, secret):
    """Fewer than 24 bytes, or no base64: not one request."""
    with receiving() as receiver:
        statuses, outcome = sent(sandbox, receiver.url, signing_secret=secret)
    assert (statuses, receiver.requests) == ([], [])
    assert outcome is not None
    assert outcome.startswith("not sent")


def test_the_body_is_posthogs(sandbox):
    """Event and person of what was captured; other names are not for this destination."""
    with receiving() as receiver:
        destination = sandbox.control.add_destination(receiver.url, events=["$pageview"])
        sandbox.control.insert([_VIEW, {**_VIEW, "event": "other"}])
        sandbox.control.insert([{**_VIEW, "properties": '{"half": "\\ud83d"}'}])
        (first, second) = sandbox.control.deliveries(destination)
    body = json.loads(first["body"])
    assert body["event"].keys() == {
        *("uuid", "event", "elements_chain", "distinct_id", "properties", "timestamp"),
        *("captured_at", "url"),
    }
    assert (body["event"]["timestamp"], body["event"]["properties"]) == (
        "2026-11-21T12:00:00.000Z",
        {"a": 1},
    )
    assert body["person"].keys() == {"id", "properties", "name", "url"}
    assert '"half":"\\ud83d"' in second["body"]
    assert {name.lower() for name in receiver.requests[0][1]} >= {"content-type", "accept"}


def test_an_event_without_a_profile_has_no_person(sandbox):
    """`person` is null then."""
    with receiving() as receiver:
        destination = sandbox.control.add_destination(receiver.url)
        sandbox.control.insert([{**_VIEW, "properties": {"$process_person_profile": False}}])
        (delivery,) = sandbox.control.deliveries(destination)
    assert json.loads(delivery["body"])["person"] is None


def test_the_test_button_sends_what_is_stored_nowhere(sandbox):
    """A made-up uuid, one attempt, and no query shows it."""
    with receiving(503) as receiver:
        destination = sandbox.control.add_destination(receiver.url)
        failed = sandbox.control.test_destination(destination)
        done = sandbox.control.test_destination(destination, "lead_phone", {"listing_id": "L"})
    assert [(each["outcome"], len(each["attempts"])) for each in (failed, done)] == [
        ("given up", 1),
        ("delivered", 1),
    ]
    assert json.loads(done["body"])["event"]["properties"] == {"listing_id": "L"}
    assert rows(sandbox, "SELECT count() FROM events") == [[0]]


def test_a_destination_set_to_get_sends_no_body(sandbox):
    """Whoever answers a GET with success has taken nothing."""
    with receiving() as receiver:
        assert sent(sandbox, receiver.url, method="GET") == ([200], "delivered")
    assert receiver.requests[0][2] == b""


def test_a_reset_forgets_destinations(sandbox):
    """And what is on its way to them."""
    with receiving(503) as receiver:
        sandbox.control.add_destination(receiver.url, wait_scale=100.0)
        sandbox.control.insert([_VIEW])
        sandbox.control.reset()
        sandbox.control.insert([_VIEW])
        destination = sandbox.control.add_destination(receiver.url)
    assert sandbox.control.deliveries(destination) == []
