"""Clients, clocks and loopback servers for these tests; no test waits for a real retry."""

import contextlib
import gzip
import json
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
from pydantic import SecretStr

from leadpipe.posthog import Limits, PostHog

KEY = "phx_s3cretOfTheTests0123456789"
HOST = "https://eu.posthog.com"

Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]
Connection = Callable[[socketserver.StreamRequestHandler], None]


class FakeClock:
    """Seconds that pass only when someone sleeps; keeps the sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        with self._lock:
            return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds
            self.sleeps.append(seconds)


class Script(httpx.BaseTransport):
    """Gives the replies one after the other, the last one for ever; keeps the requests."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        reply = self._replies[min(len(self.requests), len(self._replies)) - 1]
        if isinstance(reply, Exception):
            raise reply
        if not isinstance(reply, httpx.Response):
            return reply(request)
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)


def client(transport: httpx.BaseTransport | None = None, **options: Any) -> PostHog:
    """A client with a fake clock and no jitter, unless `options` say otherwise."""
    clock = options.pop("clock", None) or FakeClock()
    defaults: dict[str, Any] = {
        "host": HOST,
        "project_id": "7",
        "api_key": SecretStr(KEY),
        "transport": transport,
        "limits": Limits(),
        "deadline_seconds": 5.0,
        "clock": clock,
        "sleep": getattr(clock, "sleep", lambda seconds: None),
        "jitter": lambda: 0.0,
    }
    return PostHog(**(defaults | options))


def good(
    rows: Sequence[Sequence[object]] = ((1,),), columns: Sequence[str] = ("n",)
) -> httpx.Response:
    """What PostHog answers to a query that went well."""
    body = {"results": rows, "columns": columns, "types": [[c, "Int64"] for c in columns]}
    return httpx.Response(200, json={**body, "error": None, "hasMore": False, "timings": []})


def bad(status: int, detail: str = "", code: str = "error", **headers: str) -> httpx.Response:
    """What PostHog answers to a query that went wrong; `retry_after="3"` becomes a header."""
    body = {"type": "server_error", "code": code, "detail": detail, "attr": None}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body, headers=named)


def page(status: int, **headers: str) -> httpx.Response:
    """A web page, as proxies, gateways and login forms answer."""
    return httpx.Response(status, html="<!DOCTYPE html><h1>Log in</h1>", headers=headers)


def good_bytes(*, encoding: str = "identity") -> bytes:
    """A whole HTTP answer with one row, for a server of bare sockets."""
    body = json.dumps({"results": [[1]], "columns": ["n"], "types": [], "error": None}).encode()
    sent = gzip.compress(body) if encoding == "gzip" else body
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(sent)}\r\nContent-Encoding: {encoding}\r\n\r\n"
    return head.encode() + sent


@contextlib.contextmanager
def server(*connections: Connection) -> Iterator[str]:
    """A loopback server that treats its n-th connection as the n-th argument says.

    Yields its address; leaving the block waits until every connection's function has returned.
    """
    coming = iter(connections)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                next(coming)(self)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_address[1]}"
        finally:
            listening.shutdown()
            thread.join()


def read_request(connection: socketserver.StreamRequestHandler) -> str:
    """The head of one request, lower case, after its body has been read too; '' at the end."""
    head = b""
    while (line := connection.rfile.readline()) not in {b"\r\n", b""}:
        head += line.lower()
    for line in head.splitlines():
        if line.startswith(b"content-length:"):
            connection.rfile.read(int(line.split(b":")[1]))
    return head.decode()
