"""`/healthz`, `/api/sync` and the live counts: what programs ask the application."""

import json
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from leadpipe.web.answers import answer
from leadpipe.web.overview import read_syncs
from leadpipe.web.state import state_of

_PING_SECONDS = 15


async def show_health(request: Request) -> Response:
    """`GET /healthz`: the application answers and its inbox can be read."""
    web = state_of(request)
    state = await run_in_threadpool(web.inbox.state)
    return answer({"status": "ok", "waiting": state.waiting})


async def show_sync_status(request: Request) -> Response:
    """`GET /api/sync`: the state of the integration."""
    web = state_of(request)
    posthog = await web.probe.state()
    syncs = await run_in_threadpool(read_syncs, web.settings)
    inbox = await run_in_threadpool(web.inbox.state)
    return answer(
        {
            "posthog": {
                "configured": posthog.is_configured,
                "reachable": posthog.is_reachable,
                "problem": posthog.problem,
            },
            "webhook": {
                "secured": web.settings.posthog_webhook_secret is not None,
                "received": inbox.received,
                "lastReceivedAt": inbox.last_received_at,
                "waiting": inbox.waiting,
                "deadLetters": inbox.dead_letters,
            },
            "syncs": {"succeeded": syncs["succeeded"], "failed": syncs["failed"]},
            "lastSync": syncs["last"],
        }
    )


async def show_live(request: Request) -> Response:
    """`GET /api/visitors/live`: visitors of the current week and of those before it."""
    return answer(await state_of(request).feed.now())


async def stream_live(request: Request) -> Response:
    """`GET /api/visitors/stream`: the same as server-sent events, one whenever it changes."""
    feed = state_of(request).feed

    async def events() -> AsyncIterator[ServerSentEvent]:
        async for state in feed.changes():
            yield ServerSentEvent(json.dumps(state))

    return EventSourceResponse(events(), ping=_PING_SECONDS)
