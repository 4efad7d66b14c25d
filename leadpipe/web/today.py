"""`/` and `/today`: the page people land on. What it says is the domains', how it looks is this frame's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leadpipe.errors import ConfigurationError
from leadpipe.today.message import day_text
from leadpipe.today.reading import TodayDesk
from leadpipe.web.looks import Before, Looks, reader_of, remember
from leadpipe.web.rendering import render
from leadpipe.web.sessions import START, only_logged_in
from leadpipe.web.state import Web, state_of
from leadpipe.zones import clock_text

PATH = "/today"


def routes() -> list[Route]:
    """The page, at both its addresses."""
    return [Route(path, only_logged_in(_show)) for path in (START, PATH)]


@asynccontextmanager
async def running(web: Web) -> AsyncIterator[None]:
    """Hold what reads today while the application runs."""
    desk = TodayDesk(web.settings.published_dir)
    web.hold(desk)
    try:
        yield
    finally:
        desk.close()


async def _show(request: Request) -> Response:
    web = state_of(request)
    reader = reader_of(request)
    content = await run_in_threadpool(_content, web, reader)
    response = render(request, "today.html", content)
    remember(response, request, reader)
    return response


def _content(web: Web, reader: str) -> dict[str, Any]:
    """What is said, and what is new since the look before; one that cannot be kept is no reason to fail."""
    now = web.clock()
    looks = Looks(web.settings.data_dir / "looks.sqlite")
    before: Before | None = None
    with suppress(ConfigurationError):
        before = looks.before(reader, now=now)
    today = web.held(TodayDesk).read(
        web.settings,
        now=now,
        held=web.held_if_any,
        marks=before.marks if before else None,
        looked_at=before.at if before else None,
    )
    with suppress(ConfigurationError):
        looks.keep(reader, today.marks, now=now)
    return {
        "today": today,
        "day": day_text(today),
        "looked": clock_text(before.at, now, today.zone) if before else None,
        "is_configured": bool(web.settings.posthog_api_key and web.settings.posthog_project_id),
        "first_steps": [pages.first_step for pages in web.pages if pages.first_step],
    }
