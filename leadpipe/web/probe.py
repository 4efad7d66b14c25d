"""Whether PostHog is configured and takes the key; asked once a minute, and before somebody starts a sync."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from leadpipe.connections import connect_posthog
from leadpipe.errors import ConfigurationError, LeadpipeError
from leadpipe.settings import Settings

_PROBE_SECONDS = 60.0
_DOWN_SECONDS = 5.0  # whoever presses a button again soon asks no further question
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class PostHogState:
    """Whether PostHog is configured and reachable, and if not, why."""

    is_configured: bool
    is_reachable: bool
    problem: str | None = None


class PostHogProbe:
    """Asks PostHog whether it takes the key, once a minute at most."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._asked_at: float | None = None
        self._state = PostHogState(is_configured=False, is_reachable=False)
        self._one_at_a_time = asyncio.Lock()

    async def state(self) -> PostHogState:
        """What PostHog answered last."""
        return await self._asked_within(_PROBE_SECONDS)

    async def state_now(self) -> PostHogState:
        """The same for who is about to need PostHog: it is asked again where it could not be reached."""
        known = await self.state()
        return known if known.is_reachable else await self._asked_within(_DOWN_SECONDS)

    async def _asked_within(self, seconds: float) -> PostHogState:
        async with self._one_at_a_time:
            if self._asked_at is None or self._clock() - self._asked_at > seconds:
                self._state = await run_in_threadpool(self._ask)
                self._asked_at = self._clock()
            return self._state

    def _ask(self) -> PostHogState:
        try:
            client = connect_posthog(self._settings, deadline_seconds=_PATIENCE_SECONDS)
        except ConfigurationError as error:
            return PostHogState(is_configured=False, is_reachable=False, problem=str(error))
        with client as posthog:
            try:
                posthog.key_scopes()
            except LeadpipeError as error:
                return PostHogState(is_configured=True, is_reachable=False, problem=str(error))
        return PostHogState(is_configured=True, is_reachable=True)
