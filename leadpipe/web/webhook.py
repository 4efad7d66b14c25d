"""`/api/webhooks/posthog`: verified, kept durably, answered; in that order, in milliseconds."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from leadpipe.errors import LeadpipeError
from leadpipe.inbox.payloads import UnreadableBody
from leadpipe.web.access import (
    client_of,
    given_secret,
    has_right_signature,
    is_from_elsewhere,
    is_loopback,
    is_same,
    is_signed,
)
from leadpipe.web.answers import Refusal, answer
from leadpipe.web.bodies import check_type, read_body
from leadpipe.web.state import Web, state_of

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
    secret = web.settings.posthog_webhook_secret
    is_checked_by_body = secret is not None and is_signed(request.headers)
    if secret is None:
        if not is_loopback(client_of(request)) or is_from_elsewhere(request):
            raise Refusal(403, "POSTHOG_WEBHOOK_SECRET is not set, so only this machine may call")
    elif not is_checked_by_body and not is_same(secret, given_secret(request.headers)):
        _refuse(web, request)  # before the body is read: strangers cost no memory
    check_type(request)
    body = await read_body(request, most_bytes=web.settings.webhook_max_bytes)
    if (
        secret is not None
        and is_checked_by_body
        and not has_right_signature(secret, body, request.headers)
    ):
        _refuse(web, request)
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


def _refuse(web: Web, request: Request) -> None:
    wait = web.wrong_secrets.note(client_of(request))
    if wait is not None:
        raise Refusal(429, "too many wrong secrets", headers={"Retry-After": str(int(wait) + 1)})
    raise Refusal(
        401,
        "the secret is missing or wrong; send `Authorization: Bearer …` as configured",
        headers={"WWW-Authenticate": "Bearer"},
    )
