"""`/healthz` and `/api/sync`: what programs ask the application."""

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from leadpipe.web.answers import answer
from leadpipe.web.guards import check_secret
from leadpipe.web.sessions import is_logged_in
from leadpipe.web.settings import WebSettings
from leadpipe.web.state import Web, state_of


async def show_health(request: Request) -> Response:
    """`GET /healthz`: the application answers, and what its domains need can be read."""
    web = state_of(request)
    return answer({"status": "ok", **await run_in_threadpool(_health, web)})


async def show_sync_status(request: Request) -> Response:
    """`GET /api/sync`: the state of the integration; in public mode with a login or CRON_SECRET."""
    web = state_of(request)
    if web.is_public and not is_logged_in(request):
        check_secret(web, request, web.settings.of(WebSettings).cron_secret, "CRON_SECRET")
    posthog = await web.probe.state()
    return answer(
        {
            "posthog": {
                "configured": posthog.is_configured,
                "reachable": posthog.is_reachable,
                "problem": posthog.problem,
            },
            **await run_in_threadpool(_state, web),
        }
    )


def _health(web: Web) -> Mapping[str, Any]:
    return _merged([pages.health(web) for pages in web.pages if pages.health])


def _state(web: Web) -> Mapping[str, Any]:
    return _merged([pages.state(web) for pages in web.pages if pages.state])


def _merged(brought: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for each in brought for name, value in each.items()}
