"""`/healthz`, `/readyz` and `/api/sync`: what programs ask the application.

The first two are for everybody who may come in at the door, without a secret: they name what is missing, and
nothing of what is there. Why it is missing is in the log.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from leadpipe.errors import LeadpipeError
from leadpipe.published import reading
from leadpipe.terminal import visible
from leadpipe.web.answers import answer
from leadpipe.web.guards import check_secret
from leadpipe.web.sessions import is_logged_in
from leadpipe.web.settings import WebSettings
from leadpipe.web.state import Web, state_of

Needs = Mapping[str, Callable[[], object]]
"""What a program cannot work without, by name: each raises where it is missing."""

_log = logging.getLogger("leadpipe.ready")
_AGAIN_SECONDS = 10


async def show_health(request: Request) -> Response:
    """`GET /healthz`: the program lives; nothing else is looked at."""
    del request
    return healthy()


async def show_readiness(request: Request) -> Response:
    """`GET /readyz`: published tables can be read, and what the domains need is there; else what is not."""
    web = state_of(request)
    needs: dict[str, Callable[[], object]] = {
        "published tables": lambda: reading.check(web.settings.published_dir)
    }
    for pages in web.pages:
        needs |= {name: partial(check, web) for name, check in pages.needs.items()}
    return readiness(await run_in_threadpool(missing, needs))


def healthy() -> Response:
    """The answer of a program that lives."""
    return answer({"status": "ok"})


def readiness(names: Sequence[str]) -> Response:
    """The answer of a program that lacks something: 503 with its name, 200 without."""
    if not names:
        return answer({"status": "ready"})
    return answer(
        {"status": "not ready", "notReady": list(names)},
        status=503,
        headers={"Retry-After": str(_AGAIN_SECONDS)},
    )


def missing(needs: Needs) -> list[str]:
    """The names of what is not there; why is logged."""
    names = []
    for name, check in needs.items():
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever it is, the program is not ready
            words = str(error) if isinstance(error, LeadpipeError) else type(error).__name__
            _log.warning("not ready: %s: %s", name, visible(words))
            names.append(name)
    return names


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


def _state(web: Web) -> Mapping[str, Any]:
    return _merged([pages.state(web) for pages in web.pages if pages.state])


def _merged(brought: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for each in brought for name, value in each.items()}
