"""What the web application offers of visitors: the live count, weeks with their charts, a sync."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leadpipe.errors import NotPublished
from leadpipe.events.connecting import event_mapping
from leadpipe.events.settings import EventsSettings
from leadpipe.inbox.pages import InboxDoor
from leadpipe.published import reading
from leadpipe.settings import Settings
from leadpipe.visitors.feed import LiveFeed
from leadpipe.visitors.live_panel import live_content
from leadpipe.visitors.numbers import weeks_shown
from leadpipe.visitors.status import sync_counts
from leadpipe.visitors.visitor_pages import ROUTES, VISITORS
from leadpipe.visitors.weeks import weeks_between
from leadpipe.web.answers import answer
from leadpipe.web.overview import read_published
from leadpipe.web.parts import Look, NavItem, Pages, Panel, Sync
from leadpipe.web.sessions import only_logged_in
from leadpipe.web.state import Web, state_of

_JOB = "visitors"
_PING_SECONDS = 15


@asynccontextmanager
async def _running(web: Web) -> AsyncIterator[None]:
    """The live count, woken by what the webhook brings."""
    door = web.held(InboxDoor)
    feed = LiveFeed(
        web.settings.published_dir,
        door.inbox,
        clock=web.clock,
        mapping=event_mapping(web.settings.of(EventsSettings)),
    )
    await feed.start()
    door.tell(feed.wake)
    web.hold(feed)
    try:
        yield
    finally:
        feed.close()


async def _show_live(request: Request) -> Response:
    """`GET /api/visitors/live`: visitors of the current week and of those before it."""
    return answer(await run_in_threadpool(state_of(request).held(LiveFeed).now))


async def _stream_live(request: Request) -> Response:
    """`GET /api/visitors/stream`: the same as server-sent events, one whenever it changes."""
    feed = state_of(request).held(LiveFeed)

    async def events() -> AsyncIterator[ServerSentEvent]:
        async for state in feed.changes():
            yield ServerSentEvent(json.dumps(state))

    return EventSourceResponse(events(), ping=_PING_SECONDS)


def _live(look: Look) -> Mapping[str, Any]:
    """The live count and the weeks before."""
    return live_content(look.web.held(LiveFeed).now(), today=look.now.date())


def _last_error(look: Look) -> Mapping[str, Any] | None:
    last = sync_counts(look.query)["last"]
    return {"error": last["error"]} if last and last["error"] else None


def _state(web: Web) -> Mapping[str, Any]:
    syncs = read_published(web.settings, sync_counts)
    return {
        "syncs": {"succeeded": syncs["succeeded"], "failed": syncs["failed"]},
        "lastSync": syncs["last"],
    }


def _weeks(look: Look) -> dict[str, Any] | None:
    """Visitors, signups and their rate over the latest weeks."""
    return weeks_shown(look, look.web.held(LiveFeed).weeks())


async def _start(web: Web) -> Sequence[str]:
    """Start the job over all weeks, or find the run under way."""
    now = web.clock()
    weeks = weeks_between(web.settings.first_day(now), now.date())
    run_id = await web.runs.start(
        _JOB,
        {
            "dagster/asset_partition_range_start": weeks[0].isoformat(),
            "dagster/asset_partition_range_end": weeks[-1].isoformat(),
        },
    )
    return [run_id]


def _result(settings: Settings, run_ids: Sequence[str]) -> Mapping[str, Any]:
    """Weeks updated, skipped, failed, total, and the error."""
    try:
        rows = reading.query(
            settings.published_dir,
            "SELECT updated, skipped, failed, total, error FROM visitor_syncs WHERE run_id = $run_id",
            {"run_id": run_ids[0]},
        ).as_dicts()
    except NotPublished:
        return {}
    return rows[0] if rows else {}


PAGES = Pages(
    routes=[
        Route("/api/visitors/live", only_logged_in(_show_live)),
        Route("/api/visitors/stream", only_logged_in(_stream_live)),
        *ROUTES,
    ],
    nav=[NavItem("Visitors", VISITORS, 30)],
    panels=[
        Panel("hero", "visitors/live.html", _live),
        Panel("facts", "visitors/facts.html", lambda look: sync_counts(look.query)),
        Panel("notice", "visitors/notice.html", _last_error),
        Panel("section", "visitors/panel.html", _weeks),
    ],
    syncs=[
        Sync(
            job=_JOB,
            name="Visitors",
            label="Only visitors",
            purpose="Compare every week with PostHog's own count.",
            cron="sync-visitors",
            methods=["GET", "POST"],
            start=_start,
            result=_result,
            shown={
                "updated": "weeks changed",
                "skipped": "weeks unchanged",
                "failed": "weeks that could not be counted",
                "total": "weeks compared",
            },
        )
    ],
    script="visitors/live.js",
    running=_running,
    state=_state,
)
