"""Request bodies within limits: their type, their size (also unzipped), and the time they take."""

import asyncio
import zlib

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadpipe.web.answers import Refusal

_SECONDS = 10.0
_GZIP_WINDOW = 31
_FORM_BYTES = 100_000
_SHOWN_BYTES = 10_000  # of a body that is too large: enough to see what it was


def check_type(request: Request, body: bytes) -> None:
    """Refuse what does not call itself JSON.

    Raises:
        Refusal: 415, with the body.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise Refusal(
            415, f"Content-Type is {kind or 'missing'!r}; send application/json", body=body
        )


async def read_body(request: Request, *, most_bytes: int) -> bytes:
    """The body, unzipped if it says so.

    Raises:
        Refusal: 400 broken gzip, 408 too slow, 413 too large, 415 another encoding; with what was read, but
            for a body that did not come to its end.
    """
    length = request.headers.get("content-length", "")
    is_too_large = length.isascii() and length.isdigit() and int(length) > most_bytes
    limit = _SHOWN_BYTES if is_too_large else most_bytes
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_SECONDS):
            async for part in request.stream():
                size += len(part)
                parts.append(part)
                if size > limit:
                    raise _too_large(most_bytes, b"".join(parts))
    except TimeoutError:
        raise Refusal(408, f"the body took longer than {_SECONDS:.0f} s") from None
    except ClientDisconnect:
        raise Refusal(400, "the connection ended before the body") from None
    body = b"".join(parts)
    if is_too_large:
        raise _too_large(most_bytes, body)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "gzip":
        return _unzipped(body, most_bytes)
    if encoding not in {"", "identity"}:
        raise Refusal(
            415, f"Content-Encoding {encoding!r} is not known; send gzip or none", body=body
        )
    return body


class SmallForms:
    """Ends a body that a page gets and that is no form of ours: too large or too slow.

    Paths below `/api/` have limits of their own (`read_body`).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with a body that comes within limits or raises `Refusal`."""
        if scope["type"] != "http" or scope["path"].startswith("/api/"):
            await self.app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        is_whole, size, end_at = False, 0, loop.time() + _SECONDS

        async def limited() -> Message:
            nonlocal is_whole, size
            if is_whole:  # it waits for the end of the connection
                return await receive()
            try:
                async with asyncio.timeout_at(end_at):
                    message = await receive()
            except TimeoutError:
                raise Refusal(408, f"the body took longer than {_SECONDS:.0f} s") from None
            size += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if size > _FORM_BYTES:
                raise Refusal(413, f"the body is larger than {_FORM_BYTES} bytes")
            return message

        await self.app(scope, limited, send)


def _too_large(most_bytes: int, read: bytes) -> Refusal:
    return Refusal(
        413,
        f"the body is larger than {most_bytes} bytes; send smaller batches",
        body=read[:_SHOWN_BYTES],
    )


def _unzipped(body: bytes, most_bytes: int) -> bytes:
    unzip = zlib.decompressobj(_GZIP_WINDOW)
    try:
        text = unzip.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise Refusal(400, f"the body is no gzip: {error}", body=body) from None
    if len(text) > most_bytes:
        raise _too_large(most_bytes, text)
    if not unzip.eof:
        raise Refusal(400, "the gzip body is cut off", body=text or body)
    return text
