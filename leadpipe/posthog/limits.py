"""How much leadpipe allows itself to ask of PostHog, and how much it did ask.

Belongs here: the limiter that keeps us below PostHog's limits, and the counters. What to do once
PostHog has said 429 all the same is the business of `client.py`.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from leadpipe.errors import ConfigurationError

_log = logging.getLogger(__name__)

_MARGIN_SECONDS = 0.5
"""Added to both windows: requests do not all take equally long to reach PostHog, so two that left
60 s apart may arrive closer together than that."""

_TOLD_SECONDS = 10.0
"""A wait longer than this is logged, so that a quiet run can be told from a stuck one."""


@dataclass(frozen=True)
class Limits:
    """What PostHog grants an organisation's API queries; the defaults are PostHog's.

    Attributes:
        queries_at_once: queries in flight; more make PostHog queue them and then answer 429.
        per_minute: requests in any 60 seconds, retries included.
        per_hour: requests in any 3,600 seconds, retries included.
    """

    queries_at_once: int = 3
    per_minute: int = 240
    per_hour: int = 2400

    def __post_init__(self) -> None:
        for name in ("queries_at_once", "per_minute", "per_hour"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; it must be at least 1")


class Limiter:
    """Lets threads through as `Limits` allow; share one per API key.

    Places in flight are waited for as threads wait, the windows through `sleep`.
    """

    def __init__(
        self, limits: Limits, *, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._places = threading.BoundedSemaphore(limits.queries_at_once)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._windows = (
            (60.0 + _MARGIN_SECONDS, limits.per_minute),
            (3600.0 + _MARGIN_SECONDS, limits.per_hour),
        )
        self._granted: deque[float] = deque(maxlen=max(limits.per_minute, limits.per_hour))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a place in flight and room in both windows, and hold the place meanwhile."""
        with self._places:
            while wait := self._wait_or_grant():
                if wait > _TOLD_SECONDS:
                    _log.info("Waiting %.0f s to stay below PostHog's request limits", wait)
                self._sleep(wait)
            yield

    def _wait_or_grant(self) -> float:
        """Seconds until there may be room; 0.0 when the request was granted just now."""
        with self._lock:
            now = self._clock()
            free_at = now
            for length, limit in self._windows:
                if len(self._granted) >= limit:
                    free_at = max(free_at, self._granted[-limit] + length)
            if free_at > now:
                return free_at - now
            self._granted.append(now)
            return 0.0


@dataclass(frozen=True)
class CallCounts:
    """Requests since some moment; subtract two snapshots to get what lies between them.

    Attributes:
        api_calls: HTTP requests sent, retries included.
        retries: those of them that repeated a failed one.
        rate_limits: answers with status 429.
        seconds: that answers took, from sending a request to its last byte; waits are not in it.
    """

    api_calls: int = 0
    retries: int = 0
    rate_limits: int = 0
    seconds: float = 0.0

    def __sub__(self, earlier: "CallCounts") -> "CallCounts":
        return CallCounts(
            api_calls=self.api_calls - earlier.api_calls,
            retries=self.retries - earlier.retries,
            rate_limits=self.rate_limits - earlier.rate_limits,
            seconds=self.seconds - earlier.seconds,
        )

    def __add__(self, others: "CallCounts") -> "CallCounts":
        return CallCounts(
            api_calls=self.api_calls + others.api_calls,
            retries=self.retries + others.retries,
            rate_limits=self.rate_limits + others.rate_limits,
        )


class CallStats:
    """Counters that several threads raise and anyone may read at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = CallCounts()

    def snapshot(self) -> CallCounts:
        """The counts as they are now."""
        return self._counts

    def add(
        self, *, api_calls: int = 0, retries: int = 0, rate_limits: int = 0, seconds: float = 0.0
    ) -> None:
        """Raise the counters."""
        with self._lock:
            now = self._counts
            self._counts = CallCounts(
                api_calls=now.api_calls + api_calls,
                retries=now.retries + retries,
                rate_limits=now.rate_limits + rate_limits,
                seconds=now.seconds + seconds,
            )
