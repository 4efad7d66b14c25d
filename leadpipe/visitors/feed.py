"""The live count as a feed: counted when something arrived and someone looks, pushed to open pages."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from leadpipe.errors import LeadpipeError
from leadpipe.events.mapping.meant import meant
from leadpipe.events.mapping.model import EventMapping
from leadpipe.inbox.store import Inbox, Waiting
from leadpipe.visitors.counted import WeekVisitors
from leadpipe.visitors.live import LiveVisitors, WaitingPageview
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
        def waiting(after: int) -> list[WaitingPageview]:
            return [
                WaitingPageview(event.number, event.day, event.person_id, event.distinct_id)
                for event in _pageviews(inbox.take(after=after), mapping)
            ]

        self._visitors = LiveVisitors(published, waiting)
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


def _pageviews(waiting: Iterable[Waiting], mapping: EventMapping) -> Iterator[Waiting]:
    """The page views among what waits; properties are looked at only of events that have a filter."""
    names = mapping.names_of("pageview")
    by_name = {name for name in names if not mapping.events[name][0].where}
    found = [event for event in waiting if event.event in names]
    filtered = [event for event in found if event.event not in by_name]
    said = meant(mapping, [(event.event, json.loads(event.wire)[-1]) for event in filtered])
    others = {
        event.number for event, one in zip(filtered, said, strict=True) if one.meaning != "pageview"
    }
    return (event for event in found if event.number not in others)
