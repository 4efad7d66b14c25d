"""The outermost layer: logs every request and lets faults strike it.

Belongs here: what happens to a request whoever answers it. Does not belong here: which fault
(`faults.py`).
"""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from posthog_sandbox.faults import Fault, Faults
from posthog_sandbox.refusals import Refusal
from posthog_sandbox.request_log import Entry, RequestLog

CONTROL_PREFIX = "/_sandbox/"
ENTRY = "sandbox.entry"
_QUERY_SUFFIXES = ("/query", "/query/")


class Front:
    """ASGI middleware around the sandbox's routes."""

    def __init__(
        self, app: ASGIApp, *, log: RequestLog, faults: Faults, now: Callable[[], datetime]
    ) -> None:
        self._app = app
        self._log = log
        self._faults = faults
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL_PREFIX):
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        entry = self._log.begin(path)
        body = await _body(receive)
        if path.endswith(_QUERY_SUFFIXES):
            _note_query(entry, body)
        fault = self._faults.take(path, entry.name)
        scope[ENTRY] = entry

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.end(message["status"])
                date = format_datetime(self._now(), usegmt=True).encode()
                message["headers"] = [*message["headers"], (b"date", date)]
            await send(message)

        try:
            await self._serve(scope, _replayed(body, receive), noted, fault)
        except ConnectionResetError:
            entry.end(499)
            _abort(send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, fault: Fault | None) -> None:
        if fault is None:
            await self._app(scope, receive, send)
            return
        answer = fault.answer()
        if answer is not None:
            await answer(scope, receive, send)
        elif fault.kind == "reset":
            raise ConnectionResetError
        elif fault.kind == "stall":
            await asyncio.sleep(fault.option("seconds", 1.0))
            await self._app(scope, receive, send)
        else:
            await _spoilt(self._app, scope, receive, send, fault)


async def _spoilt(app: ASGIApp, scope: Scope, receive: Receive, send: Send, fault: Fault) -> None:
    """Answer, but slowly (`drip`) or not to the end (`cut_body`)."""
    messages: list[Message] = []

    async def collect(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, collect)
    body = b"".join(m.get("body", b"") for m in messages if m["type"] == "http.response.body")
    await send(messages[0])
    if fault.kind == "cut_body":
        # Returning before the promised length is sent makes the server close the connection.
        cut = body[: int(fault.option("bytes", 100))]
        await send({"type": "http.response.body", "body": cut, "more_body": True})
        return
    size = int(fault.option("bytes", 16))
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(fault.option("seconds", 0.1))
    await send({"type": "http.response.body", "body": b""})


async def _body(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _note_query(entry: Entry, body: bytes) -> None:
    try:
        asked: Any = json.loads(body)
        query = asked.get("query") or {}
        entry.name = asked.get("name") or query.get("name")
        entry.query = query.get("query")
    except (ValueError, AttributeError):
        return


def _abort(send: Send) -> None:
    """Close the connection without an answer; uvicorn keeps the transport behind `send`."""
    cycle: Any = getattr(send, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is None:
        raise Refusal(500, "server_error", "error", "This server cannot reset connections.")
    transport.abort()
