"""PostHog's limits on API queries: by the minute, by the hour, at once.

Belongs here: counting and refusing. Does not belong here: ten seconds of execution, which
ClickHouse itself keeps, and faults, which strike without a reason.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from posthog_sandbox.refusals import throttled, too_many_at_once

_MINUTE = 60.0
_HOUR = 3600.0


@dataclass(frozen=True)
class QueryLimits:
    """The limits of PostHog Cloud; `queue_seconds` is the wait for a place before a 429."""

    queries_at_once: int = 3
    per_minute: int = 240
    per_hour: int = 2400
    enforce: bool = True
    max_execution_seconds: float = 10.0
    queue_seconds: float = 30.0


class Gate:
    """Counts queries and refuses what is too much; belongs to one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.set(QueryLimits())

    def set(self, limits: QueryLimits) -> None:
        """Put other limits in force, and forget what was counted."""
        self.limits = limits
        self._asked: deque[float] = deque()
        self._places = asyncio.Semaphore(limits.queries_at_once)

    def count(self) -> None:
        """Count a query.

        Raises:
            Refusal: 429 with `Retry-After`; PostHog does not count refused requests.
        """
        if not self.limits.enforce:
            return
        now = self._clock()
        while self._asked and now - self._asked[0] >= _HOUR:
            self._asked.popleft()
        for allowed, span in (
            (self.limits.per_minute, _MINUTE),
            (self.limits.per_hour, _HOUR),
        ):
            if len(self._asked) >= allowed:
                free_at = self._asked[-allowed] + span
                if free_at > now:
                    raise throttled(max(1, math.ceil(free_at - now)))
        self._asked.append(now)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold one of the places for queries at once, waiting for it as long as PostHog lets one.

        Raises:
            Refusal: 429 without `Retry-After`.
        """
        if not self.limits.enforce:
            yield
            return
        places = self._places
        try:
            async with asyncio.timeout(self.limits.queue_seconds):
                await places.acquire()
        except TimeoutError:
            raise too_many_at_once(self.limits.queries_at_once) from None
        try:
            yield
        finally:
            places.release()
