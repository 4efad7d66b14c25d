"""Group commit: what many requests bring in the same moment is one transaction and one sync to disk.

One thread writes. A request waits for the commit that has its events, never longer than the one
under way and the next.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime

from leadpipe.inbox.payloads import Payload
from leadpipe.inbox.store import Inbox, InboxUnavailable

_MOST_REQUESTS = 512
_MOST_WAITING = 20_000
_LOG_SECONDS = 1.0


class InboxBusy(InboxUnavailable):
    """More requests wait for the disk than it can write in time: nothing is wrong with it."""


@dataclass(frozen=True)
class _Request:
    payload: Payload
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[int]

    def tell(self, outcome: int | InboxUnavailable) -> None:
        """Give the outcome to the request that waits for it, in its own loop."""
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self.loop.call_soon_threadsafe(self._settle, outcome)

    def _settle(self, outcome: int | InboxUnavailable) -> None:
        if self.done.done():  # the sender has hung up
            return
        if isinstance(outcome, InboxUnavailable):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)


class InboxWriter:
    """Adds payloads to an inbox from an event loop.

    Args:
        inbox: where to.
        clock: the time (UTC).
        on_commit: called in the writing thread after each commit that brought something new.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        clock: Callable[[], datetime],
        on_commit: Callable[[], None] = lambda: None,
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self._on_commit = on_commit
        self._requests: queue.Queue[_Request | None] = queue.Queue(_MOST_WAITING)
        self._is_closing = threading.Event()
        self._threads = (
            threading.Thread(target=self._write, name="inbox writer", daemon=True),
            threading.Thread(target=self._keep_log_short, name="inbox log", daemon=True),
        )
        for thread in self._threads:
            thread.start()

    async def add(self, payload: Payload) -> int:
        """Return when the payload is on disk: how many of its events were not there yet.

        Raises:
            InboxUnavailable: nothing was kept; the sender should try again.
        """
        loop = asyncio.get_running_loop()
        request = _Request(payload, loop, loop.create_future())
        try:
            self._requests.put_nowait(request)
        except queue.Full:
            raise InboxBusy(f"{_MOST_WAITING} requests wait for the disk already") from None
        return await request.done

    def close(self) -> None:
        """Write what waits, then end the threads."""
        self._requests.put(None)
        self._is_closing.set()
        for thread in self._threads:
            thread.join()

    def _keep_log_short(self) -> None:
        while not self._is_closing.wait(_LOG_SECONDS):
            with suppress(InboxUnavailable, OSError):  # the writer will meet it too, and tell
                self._inbox.checkpoint()

    def _write(self) -> None:
        is_open = True
        inbox: Inbox | None = None
        with ExitStack() as opened:
            while is_open:
                batch = self._next_batch()
                is_open = None not in batch
                if inbox is None or not inbox.is_in_place():
                    opened.close()
                    inbox = self._kept_open(opened)
                requests = [request for request in batch if request is not None]
                if requests:
                    self._commit(inbox or self._inbox, requests)

    def _next_batch(self) -> list[_Request | None]:
        batch = [self._requests.get()]
        while len(batch) < _MOST_REQUESTS and not self._requests.empty():
            batch.append(self._requests.get_nowait())
        return batch

    def _kept_open(self, opened: ExitStack) -> Inbox | None:
        with suppress(InboxUnavailable):  # the requests are told when it is tried for them
            return opened.enter_context(self._inbox.kept_open())
        return None

    def _commit(self, inbox: Inbox, requests: Sequence[_Request]) -> None:
        try:
            news = inbox.add([r.payload for r in requests], now=self._clock())
        except Exception as error:  # noqa: BLE001 - a dead writer would let every request wait for ever
            problem = error if isinstance(error, InboxUnavailable) else _unexpected(error)
            for request in requests:
                request.tell(problem)
            return
        for request, new in zip(requests, news, strict=True):
            request.tell(new)
        if any(news):
            self._on_commit()


def _unexpected(error: Exception) -> InboxUnavailable:
    return InboxUnavailable(f"The inbox took nothing: {type(error).__name__}")
