"""Bodies of answers, unzipped within a limit: a few kilobytes of gzip can stand for gigabytes.

httpx unzips each piece as a whole before anybody can count. Here a piece is unzipped bit by bit.
"""

import zlib
from collections.abc import Iterator

import httpx

_GZIP_WINDOW = 31
_AT_ONCE = 1_000_000


class BodyTooLarge(Exception):  # noqa: N818 - says what is the case; no error of ours, its callers have one
    """More came, or would come out of what came, than was allowed."""


def body_pieces(response: httpx.Response, *, most_bytes: int) -> Iterator[bytes]:
    """The body of a streamed answer, unzipped if it is gzip.

    Raises:
        BodyTooLarge: it is larger, zipped or not.
        httpx.DecodingError: it is zipped in another way than asked for, or broken.
        httpx.RequestError: as httpx has it.
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    size = 0
    if response.is_stream_consumed:  # a transport that gives answers whole, as in tests
        pieces = response.iter_bytes()
    elif encoding in {"", "identity"}:
        pieces = response.iter_raw()
    elif encoding in {"gzip", "x-gzip"}:
        pieces = _unzipped(response)
    else:
        raise httpx.DecodingError("an encoding that was not asked for")
    for piece in pieces:
        size += len(piece)
        if size > most_bytes:
            raise BodyTooLarge
        yield piece


def _unzipped(response: httpx.Response) -> Iterator[bytes]:
    unzip = zlib.decompressobj(_GZIP_WINDOW)
    has_begun = False
    try:
        for piece in response.iter_raw():
            has_begun = True
            left = piece
            while left and not unzip.eof:
                yield unzip.decompress(left, _AT_ONCE)
                left = unzip.unconsumed_tail
        yield unzip.flush()
    except zlib.error as error:
        raise httpx.DecodingError(str(error)) from None
    if has_begun and not unzip.eof:
        raise httpx.DecodingError("the gzip body is cut off")
