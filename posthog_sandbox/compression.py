"""gzip for answers, if the client asks for it.

Belongs here: the encoding of answers. Does not belong here: decoding requests (`capture_body.py`).
"""

import asyncio
import zlib
from collections.abc import Sequence

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_WORTH_BYTES = 1024
_GZIP_WINDOW = 31
_FASTEST = 1


class _PiecedResponse(Response):
    """A body in pieces, sent as they are: a page of 60 MB is not copied to be put together."""

    def __init__(self, pieces: Sequence[bytes], headers: dict[str, str]) -> None:
        self._pieces = pieces
        self.status_code = 200
        self.media_type = "application/json"
        self.background: BackgroundTask | None = None
        self.init_headers(headers | {"Content-Length": str(sum(map(len, pieces)))})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        for number, piece in enumerate(self._pieces, start=1):
            more = number < len(self._pieces)
            await send({"type": "http.response.body", "body": piece, "more_body": more})


async def compressed(request: Request, pieces: Sequence[bytes]) -> Response:
    """A JSON answer, in gzip if the client takes it; packed outside the event loop."""
    headers = {"Vary": "Accept-Encoding"}
    takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
    if takes_gzip and sum(map(len, pieces)) >= _WORTH_BYTES:
        pieces = await asyncio.to_thread(_gzip, pieces)
        headers["Content-Encoding"] = "gzip"
    return _PiecedResponse(pieces, headers)


def _gzip(pieces: Sequence[bytes]) -> list[bytes]:
    packer = zlib.compressobj(_FASTEST, zlib.DEFLATED, _GZIP_WINDOW)
    return [*(packer.compress(piece) for piece in pieces), packer.flush()]
