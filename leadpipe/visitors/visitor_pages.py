"""`/visitors`: the week under way, weeks and days with their charts, where page views come from."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leadpipe.errors import NotPublished
from leadpipe.published.reading import current_publication
from leadpipe.visitors.feed import LiveFeed
from leadpipe.visitors.live_panel import live_content
from leadpipe.visitors.numbers import days_shown, weeks_shown
from leadpipe.web.overview import looking
from leadpipe.web.periods import LENGTHS, Period, read_period
from leadpipe.web.rendering import render
from leadpipe.web.sessions import only_logged_in
from leadpipe.web.state import Web, state_of

VISITORS = "/visitors"


async def _show(request: Request) -> Response:
    web = state_of(request)
    period, problems = read_period(request.query_params.multi_items(), web.clock().date())
    content = await run_in_threadpool(_content, web, period)
    return render(
        request,
        "visitors/visitors.html",
        content
        | {
            "period": period,
            "lengths": LENGTHS,
            "problems": problems,
        },
    )


def _content(web: Web, period: Period) -> dict[str, Any]:
    feed = web.held(LiveFeed)
    live, weeks = feed.now(), feed.weeks()
    try:
        _, published_at = current_publication(web.settings.published_dir)
    except NotPublished:
        published_at = None
    with looking(web) as look:
        known = look.query("SELECT max(read_until) AS until FROM event_days")
        return {
            "live": live_content(live, today=look.now.date()),
            "weeks": weeks_shown(look, weeks),
            "days": days_shown(look, period),
            "as_of": known[0]["until"] if known else None,
            "published_at": published_at,
        }


ROUTES = [Route(VISITORS, only_logged_in(_show))]
