"""A TCP proxy on loopback that cuts connections, when it is told or at certain bytes, or answers itself.

Belongs here: what a network does to a client and its server. Does not belong here: what they say.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

_CHUNK = 65_536

Cut = Literal["before", "after"]
"""When the bytes that were waited for pass: before they reach the server, or after, so that it has them."""


@dataclass
class TcpProxy:
    """Between clients and one server.

    Args:
        target: the server's port on loopback.
        port: of the proxy.
        is_refusing: close new connections at once.
        answer: what an HTTP request gets by its first line, instead of the server's answer if not None.
        delay_seconds: how long each piece of a request waits.
    """

    target: int
    port: int = 0
    is_refusing: bool = False
    answer: Callable[[bytes], bytes | None] = field(default=lambda _: None, repr=False)
    delay_seconds: float = 0.0
    _open: set[socket.socket] = field(default_factory=set, repr=False)
    _waiting: dict[bytes, Cut] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def cut(self) -> None:
        """Break all connections now."""
        with self._lock:
            sockets = [*self._open]
            self._open.clear()
        for one in sockets:
            _close(one)

    def cut_at(self, words: bytes, when: Cut) -> None:
        """Break the connection on which a client next says these words; once."""
        self._waiting[words] = when

    @property
    def is_cut(self) -> bool:
        """Whether the words that were waited for have passed."""
        return not self._waiting

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if self.is_refusing:
                _close(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=10)
            except OSError:
                _close(client)
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
            for source, sink, is_client in ((client, server, True), (server, client, False)):
                threading.Thread(
                    target=self._carry,
                    args=(source, sink),
                    kwargs={"is_client": is_client},
                    daemon=True,
                ).start()

    def _carry(self, source: socket.socket, sink: socket.socket, *, is_client: bool) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                if is_client:
                    time.sleep(self.delay_seconds)
                    if (answer := self.answer(data.partition(b"\r\n")[0])) is not None:
                        source.sendall(answer)
                        break
                cut = self._due(data) if is_client else None
                if cut == "before":
                    break
                if cut == "after":  # the server has it, and no answer of its comes back
                    with self._lock:
                        self._open.discard(source)
                    _close(source)
                    sink.sendall(data)
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
        _close(source)
        _close(sink)

    def _due(self, data: bytes) -> Cut | None:
        for words in [*self._waiting]:
            if words in data:
                return self._waiting.pop(words)
        return None


@contextmanager
def tcp_proxy(target: int) -> Iterator[TcpProxy]:
    """Run a proxy before a port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = TcpProxy(target, listener.getsockname()[1])
        threading.Thread(target=proxy._serve, args=(listener,), daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.cut()


def http_answer(status: str, code: str) -> bytes:
    """What an S3 server says when it refuses."""
    body = f"<Error><Code>{code}</Code><Message>{status}</Message></Error>".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
