"""Answers that go on for hours, event streams and websockets: they end when the session does."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOK_SECONDS = 3.0


async def while_allowed(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, is_allowed: Callable[[], bool]
) -> None:
    """Let an application answer until `is_allowed`, asked every few seconds, says no; then end the answer."""
    has_started = False

    async def noted(message: Message) -> None:
        nonlocal has_started
        has_started = True
        await send(message)

    answering = asyncio.ensure_future(app(scope, receive, noted))
    try:
        while True:
            done, _ = await asyncio.wait({answering}, timeout=LOOK_SECONDS)
            if done:
                answering.result()
                return
            if not is_allowed():
                break
    finally:
        if not answering.done():
            answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "the session has ended"})
    elif has_started:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Lasting(Response):
    """A response that is made piece by piece, which ends when it is not allowed any more."""

    def __init__(self, response: Response, is_allowed: Callable[[], bool]) -> None:
        self._response = response
        self._is_allowed = is_allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        await while_allowed(self._response, scope, receive, send, is_allowed=self._is_allowed)
