"""The overall deadline, with a fake clock and with a real socket."""

import time
from collections.abc import Iterator
from itertools import repeat
from socketserver import StreamRequestHandler

import httpx
import pytest

from leadpipe.errors import DeadlineExceeded, PostHogUnavailable
from leadpipe.posthog import CallCounts
from leadpipe_tests.posthog.builders import (
    Connection,
    FakeClock,
    Script,
    bad,
    client,
    good_bytes,
    read_request,
    server,
)

_MUCH_LATER = (
    15.0  # seconds: far below what the servers here take, far above what a busy machine adds
)


class Drip(httpx.SyncByteStream):
    """A body of single bytes, a second apart."""

    def __init__(self, clock: FakeClock, body: bytes) -> None:
        self._clock = clock
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for byte in self._body:
            self._clock.sleep(1.0)
            yield bytes([byte])


def test_a_dripping_body_ends_at_the_deadline():
    """Every byte comes in time for a read timeout; the deadline ends it all the same."""
    clock = FakeClock()
    script = Script(lambda _: httpx.Response(200, stream=Drip(clock, good_bytes())))
    with client(script, clock=clock) as posthog, pytest.raises(DeadlineExceeded) as caught:
        posthog.query("select 1", name="leads")
    assert clock.now == 1005.0
    assert str(caught.value) == (
        "'leads': PostHog was still sending after 5 bytes. The deadline was 5 s."
    )


def test_the_deadline_tells_what_went_wrong_before():
    """A deadline that passes in the second attempt names the failure of the first."""
    clock = FakeClock()
    script = Script(bad(503), lambda _: httpx.Response(200, stream=Drip(clock, b"x" * 99)))
    ending = r"The deadline was 5 s\. Before that: 'leads' got 503"
    with client(script, clock=clock) as posthog, pytest.raises(DeadlineExceeded, match=ending):
        posthog.query("select 1", name="leads")


def test_no_timeout_is_longer_than_what_is_left():
    """The second attempt may be silent only for what the first has left of the deadline."""
    clock = FakeClock()
    script = Script(bad(503, retry_after="3"))
    with client(script, clock=clock) as posthog, pytest.raises(PostHogUnavailable):
        posthog.query("select 1", name="leads")
    timeouts = [request.extensions["timeout"] for request in script.requests]
    assert [timeout["read"] for timeout in timeouts] == [5.0, 2.0]
    assert [timeout["connect"] for timeout in timeouts] == [5.0, 2.0]


def test_a_read_that_times_out_early_is_repeated():
    """Silence before the deadline is a lost connection, not the deadline."""
    script = Script(httpx.ReadTimeout("timed out"))
    with client(script) as posthog, pytest.raises(PostHogUnavailable) as caught:
        posthog.query("select 1", name="leads")
    assert type(caught.value) is PostHogUnavailable
    assert len(script.requests) == 5


def drip(sent_at_once: bytes) -> Connection:
    """A connection that sends a beginning, then a byte every ten milliseconds for half a minute."""

    def connection(handler: StreamRequestHandler) -> None:
        read_request(handler)
        handler.wfile.write(sent_at_once)
        for byte in repeat(b"a", 3_000):
            time.sleep(0.01)
            handler.wfile.write(byte)

    return connection


@pytest.mark.parametrize(
    ("what", "beginning"),
    [
        ("headers", b"HTTP/1.1 200 OK\r\nX-Slow: "),
        ("body", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"),
    ],
)
def test_a_dripping_server_is_left_at_the_deadline(what, beginning):
    """On a real socket neither dripping headers nor a dripping body outlast the deadline."""
    began = time.monotonic()
    with (
        server(drip(beginning)) as address,
        client(host=address, clock=time.monotonic, deadline_seconds=0.2) as posthog,
    ):
        with pytest.raises(DeadlineExceeded):
            posthog.query("select 1", name="leads")
        took = time.monotonic() - began
    assert 0.19 < took < _MUCH_LATER


def silence(handler: StreamRequestHandler) -> None:
    """Take the request and wait for the client to hang up."""
    read_request(handler)
    handler.rfile.read(1)


def test_a_silent_server_is_left_at_the_deadline():
    """A server that takes the request and says nothing is left at the deadline."""
    began = time.monotonic()
    with (
        server(silence) as address,
        client(host=address, clock=time.monotonic, deadline_seconds=0.2) as posthog,
    ):
        with pytest.raises(DeadlineExceeded, match="ReadTimeout"):
            posthog.query("select 1", name="leads")
        took = time.monotonic() - began
    assert 0.19 < took < _MUCH_LATER


def answer_with(*answers: bytes) -> Connection:
    """A connection that answers one request after the other, then closes."""

    def connection(handler: StreamRequestHandler) -> None:
        for answer in answers:
            read_request(handler)
            handler.wfile.write(answer)

    return connection


@pytest.mark.parametrize(
    "cut",
    [
        good_bytes()[:-5],
        good_bytes(encoding="gzip")[:-5],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent",
        b"",
    ],
    ids=["length", "gzip", "chunked", "until close", "in the headers", "nothing"],
)
def test_a_cut_answer_is_asked_for_again(cut):
    """However the connection breaks off, the next attempt's whole answer counts, alone."""
    with (
        server(answer_with(cut), answer_with(good_bytes())) as address,
        client(host=address) as posthog,
    ):
        assert posthog.query("select 1", name="leads").decoded() == [[1]]
        assert posthog.stats.snapshot() == CallCounts(api_calls=2, retries=1)


def test_one_connection_serves_many_queries_compressed():
    """Connections are kept, bodies may be compressed, and the protocol is HTTP/1.1."""
    heads = []

    def connection(handler):
        while head := read_request(handler):
            heads.append(head)
            handler.wfile.write(good_bytes(encoding="gzip"))

    with server(connection) as address, client(host=address) as posthog:
        for _ in range(3):
            assert posthog.query("select 1", name="leads").decoded() == [[1]]
    assert len(heads) == 3
    assert heads[0].startswith("post /api/projects/7/query/ http/1.1\r\n")
    assert "accept-encoding: gzip\r\n" in heads[0]
