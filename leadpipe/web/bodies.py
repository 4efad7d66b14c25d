"""Request bodies within limits: their type, their size (also unzipped), and the time they take."""

import asyncio
import zlib

from starlette.requests import ClientDisconnect, Request

from leadpipe.web.answers import Refusal

_SECONDS = 10.0
_GZIP_WINDOW = 31


def check_type(request: Request) -> None:
    """Refuse what does not call itself JSON.

    Raises:
        Refusal: 415.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise Refusal(415, f"Content-Type is {kind or 'missing'!r}; send application/json")


async def read_body(request: Request, *, most_bytes: int) -> bytes:
    """The body, unzipped if it says so.

    Raises:
        Refusal: 400 broken gzip, 408 too slow, 413 too large, 415 another encoding.
    """
    too_large = Refusal(413, f"the body is larger than {most_bytes} bytes; send smaller batches")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most_bytes:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > most_bytes:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise Refusal(408, f"the body took longer than {_SECONDS:.0f} s") from None
    except ClientDisconnect:
        raise Refusal(400, "the connection ended before the body") from None
    body = b"".join(parts)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "gzip":
        return _unzipped(body, most_bytes, too_large)
    if encoding not in {"", "identity"}:
        raise Refusal(415, f"Content-Encoding {encoding!r} is not known; send gzip or none")
    return body


def _unzipped(body: bytes, most_bytes: int, too_large: Refusal) -> bytes:
    unzip = zlib.decompressobj(_GZIP_WINDOW)
    try:
        text = unzip.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise Refusal(400, f"the body is no gzip: {error}") from None
    if len(text) > most_bytes:
        raise too_large
    if not unzip.eof:
        raise Refusal(400, "the gzip body is cut off")
    return text
