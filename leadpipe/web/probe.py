"""Whether PostHog is configured and takes the key, asked once a minute at most."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from leadpipe.connections import connect_posthog
from leadpipe.errors import ConfigurationError, LeadpipeError
from leadpipe.settings import Settings

_PROBE_SECONDS = 60.0
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

    async def state(self) -> PostHogState:
        """What PostHog answered last."""
        now = self._clock()
        if self._asked_at is None or now - self._asked_at > _PROBE_SECONDS:
            self._asked_at = now
            self._state = await run_in_threadpool(self._ask)
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
