"""Connections within limits: how long a request's head may take, how large it is, how many an address has.

uvicorn limits none of them: half-open requests would hold its places for good, and a header line its memory.
A proxy has limits of its own, and its clients share its address, so proxies that are named have any number of
connections.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from uvicorn.middleware.proxy_headers import _TrustedHosts
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD_SECONDS = 10.0
_HEAD_BYTES = 32_768
_MOST_OF_AN_ADDRESS = 200
_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def limited_protocol(proxies: Sequence[str]) -> type[HttpToolsProtocol]:
    """The protocol of one server, which counts over all of its connections.

    Args:
        proxies: addresses and networks that are named as proxies.
    """
    counts = {"trusted": _TrustedHosts(list(proxies)), "open_of": Counter[str]()}
    return type("Limited", (_Limited,), counts)


class _Limited(HttpToolsProtocol):
    """uvicorn's protocol within the limits, for one server's proxies and connections."""

    trusted: ClassVar[_TrustedHosts]
    open_of: ClassVar[Counter[str]]

    _counted: str | None = None
    _alarm: asyncio.TimerHandle | None = None
    _is_in_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        if address not in self.trusted:
            self._counted = address
            self.open_of[address] += 1
            if self.open_of[address] > _MOST_OF_AN_ADDRESS:
                self._end(_TOO_MANY)
                return
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        self._uncount()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        was_in_head = self._is_in_head
        super().data_received(data)
        if was_in_head and self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                self._end(_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._is_in_head:  # a further one on the same connection
            self._begin_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        self._end_head()
        self._uncount()  # another protocol takes over, which has no end here
        super().handle_websocket_upgrade()

    def _begin_head(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        self._alarm = self.loop.call_later(_HEAD_SECONDS, self._end, _TOO_LATE)

    def _end_head(self) -> None:
        self._is_in_head = False
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _end(self, answer: bytes) -> None:
        self._end_head()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

    def _uncount(self) -> None:
        if self._counted is not None:
            self.open_of[self._counted] -= 1
            if not self.open_of[self._counted]:
                del self.open_of[self._counted]
            self._counted = None
