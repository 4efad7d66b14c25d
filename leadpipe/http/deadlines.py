"""The overall deadline on the socket: no read outlasts the request it belongs to.

httpx times each read by itself, so headers or a body that drip in byte by byte pass any timeout.
Here every socket operation gets the time that its thread's request has left. What a passed
deadline means is not decided here: the socket times out, the client says what that is.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

_LEAST_SECONDS = 0.001
"""A socket timeout of 0 would mean non-blocking, not expired."""


class Deadlines:
    """The deadline of each thread's request under way; a synchronous request is one thread's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._of_thread = threading.local()

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Hold this thread's socket operations to a deadline in the clock's seconds."""
        self._of_thread.deadline = deadline
        try:
            yield
        finally:
            self._of_thread.deadline = None

    def capped(self, timeout: float | None) -> float | None:
        """The timeout in seconds, or less where this thread's deadline comes first."""
        deadline: float | None = getattr(self._of_thread, "deadline", None)
        if deadline is None:
            return timeout
        left = max(deadline - self._clock(), _LEAST_SECONDS)
        return left if timeout is None else min(timeout, left)


def install(client: httpx.Client, deadlines: Deadlines) -> None:
    """Put the deadlines under every connection that the client will open.

    httpx has no public place for this: its connection pool takes a network backend, but only
    httpx calls that constructor. Where the pool is not found (another transport), deadlines
    still hold between two pieces of a body. A test with a dripping server guards the rest.
    """
    transports = (client._transport, *client._mounts.values())  # noqa: SLF001 - see the docstring
    for transport in transports:
        pool = getattr(transport, "_pool", None)
        backend = getattr(pool, "_network_backend", None)
        if pool is not None and backend is not None:
            pool._network_backend = _Backend(backend, deadlines)  # noqa: SLF001


class _Backend:
    """httpcore's network backend, its streams held to the deadline."""

    def __init__(self, inner: Any, deadlines: Deadlines) -> None:  # noqa: ANN401 - httpcore's
        self._inner = inner
        self._deadlines = deadlines

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, **options: object
    ) -> "_Stream":
        capped = self._deadlines.capped(timeout)
        stream = self._inner.connect_tcp(host, port, timeout=capped, **options)
        return _Stream(stream, self._deadlines)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._inner, name)


class _Stream:
    """httpcore's network stream, each operation held to the deadline."""

    def __init__(self, inner: Any, deadlines: Deadlines) -> None:  # noqa: ANN401 - httpcore's
        self._inner = inner
        self._deadlines = deadlines

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        received: bytes = self._inner.read(max_bytes, timeout=self._deadlines.capped(timeout))
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout=self._deadlines.capped(timeout))

    def start_tls(
        self, ssl_context: object, server_hostname: str | None = None, timeout: float | None = None
    ) -> "_Stream":
        capped = self._deadlines.capped(timeout)
        return _Stream(
            self._inner.start_tls(ssl_context, server_hostname, timeout=capped), self._deadlines
        )

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._inner, name)
