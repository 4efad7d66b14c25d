"""The live count as a feed: counted when something arrived and someone looks, pushed to open pages."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from leadpipe.errors import LeadpipeError
from leadpipe.events.mapping.model import EventMapping
from leadpipe.inbox.store import Inbox
from leadpipe.visitors.counted import WeekVisitors
from leadpipe.visitors.waiting import live_visitors
from leadpipe.visitors.weeks import LIVE_WEEKS, week_dates, week_name, week_of

_LOOK_SECONDS = 2.0  # at publications of other processes, when nothing arrives here
_REST_SECONDS = 0.2  # between two counts, however much arrives


class LiveFeed:
    """Visitors per week, and a way to wait for them to change.

    Args:
        published: the folder of publications.
        inbox: where pageviews wait.
        clock: the time (UTC).
        mapping: which events are page views.
    """

    def __init__(
        self,
        published: Path,
        inbox: Inbox,
        *,
        clock: Callable[[], datetime],
        mapping: EventMapping,
    ) -> None:
        self._visitors = live_visitors(published, inbox, mapping)
        self._inbox = inbox
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived = asyncio.Event()

    async def start(self) -> None:
        """Belong to the running event loop, so that other threads can wake it, and be quick from then on."""
        self._loop = asyncio.get_running_loop()
        with suppress(LeadpipeError):  # told when it is asked for
            await run_in_threadpool(self._visitors.warm_up)

    def wake(self) -> None:
        """Say, from any thread, that something arrived."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    def now(self) -> dict[str, Any]:
        """The current week, its visitors, and those of the weeks before, as pages take it."""
        weeks = self.weeks()
        state = self._inbox.state()
        week = week_of(self._clock().date())
        latest = [each for each in sorted(weeks) if each <= week][-LIVE_WEEKS:]
        return {
            "week": week_name(week),
            "dates": week_dates(week),
            "visitors": weeks[week].visitors if week in weeks else 0,
            "weeks": {week_name(each): weeks[each].visitors for each in latest},
            "waiting": state.waiting,
            "deadLetters": state.dead_letters,
        }

    def weeks(self) -> dict[date, WeekVisitors]:
        """The number of visitors of each week that has any, as every page and command says it."""
        return self._visitors.weeks()

    async def changes(self) -> AsyncIterator[dict[str, Any]]:
        """The state now, and again whenever it has changed."""
        last: dict[str, Any] = {}
        while True:
            arrived = self._arrived  # before the state is read: what comes meanwhile wakes us
            state = await run_in_threadpool(self.now)
            if state != last:
                last = state
                yield state
            await asyncio.sleep(_REST_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await arrived.wait()

    def close(self) -> None:
        """Let go of the publication."""
        self._visitors.close()
