"""`/api/webhooks/posthog`: verified, kept durably, answered; in that order, in milliseconds."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from leadpipe.errors import LeadpipeError
from leadpipe.inbox.payloads import UnreadableBody
from leadpipe.web.answers import Refusal, answer
from leadpipe.web.guards import secured_body
from leadpipe.web.state import state_of

_RETRY_SECONDS = 5


async def webhook(request: Request) -> Response:
    """`GET`: a health check. `POST`: take events."""
    if request.method == "POST":
        return await _take(request)
    web = state_of(request)
    state = await run_in_threadpool(web.inbox.state)
    return answer(
        {
            "status": "ok",
            "secured": web.settings.posthog_webhook_secret is not None,
            "waiting": state.waiting,
            "lastReceivedAt": state.last_received_at,
        }
    )


async def _take(request: Request) -> Response:
    """Keep the events of the body; 200 means they are on disk."""
    web = state_of(request)
    body = await secured_body(
        web, request, web.settings.posthog_webhook_secret, "POSTHOG_WEBHOOK_SECRET"
    )
    try:
        payload = web.reader.read(body, now=web.clock())
    except UnreadableBody as error:
        raise Refusal(400, str(error)) from None
    try:
        new = await web.writer.add(payload)
    except LeadpipeError as error:
        raise Refusal(503, str(error), headers={"Retry-After": str(_RETRY_SECONDS)}) from None
    content = {
        "accepted": len(payload.deliveries),
        "duplicates": len(payload.deliveries) - new,
        "ignored": payload.ignored,
    }
    if not payload.problems:
        return answer(content)
    reasons = sorted({problem.reason for problem in payload.problems})
    return answer(
        content
        | {
            "rejected": len(payload.problems),
            "error": f"{'; '.join(reasons[:3])}. Kept as a dead letter: see `leadpipe inbox`.",
        },
        status=200 if payload.deliveries else 422,
    )
