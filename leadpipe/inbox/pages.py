"""`/api/webhooks/posthog`: verified, kept durably, answered; in that order, in milliseconds."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leadpipe.errors import LeadpipeError
from leadpipe.inbox.connecting import open_inbox, webhook_reader
from leadpipe.inbox.payloads import Payload, Problem, Reader, UnreadableBody, shown
from leadpipe.inbox.settings import InboxSettings
from leadpipe.inbox.store import Inbox
from leadpipe.inbox.writer import InboxBusy, InboxWriter
from leadpipe.settings import Settings
from leadpipe.web.answers import Refusal, answer
from leadpipe.web.guards import secured_body
from leadpipe.web.parts import Look, Pages, Panel
from leadpipe.web.signing import check_posthog_secret
from leadpipe.web.state import Web, state_of

# PostHog tries three times in all, and waits for as long as it is told, up to five minutes.
_BUSY_SECONDS = 5
_UNAVAILABLE_SECONDS = 60
_SECRET = "POSTHOG_WEBHOOK_SECRET"  # noqa: S105 - the setting's name
_METHODS = ("GET", "HEAD", "POST")
_REFUSED_METHODS = (
    "PUT",
    "PATCH",
    "DELETE",
)  # that a destination may be set to; what they bring is kept
_KEPT = "Kept as unreadable: see `leadpipe inbox dead`."


@dataclass(frozen=True)
class InboxDoor:
    """What the webhook's route holds: how bodies are read, where they are kept, who is told."""

    inbox: Inbox
    reader: Reader
    writer: InboxWriter
    listeners: list[Callable[[], None]] = field(default_factory=list)

    def tell(self, listener: Callable[[], None]) -> None:
        """Call it, from any thread, whenever something was kept."""
        self.listeners.append(listener)


def _check(settings: Settings, now: datetime) -> None:
    webhook_reader(settings.of(InboxSettings), now=now)
    check_posthog_secret(_SECRET, settings.posthog_webhook_secret)


@asynccontextmanager
async def _running(web: Web) -> AsyncIterator[None]:
    settings = web.settings.of(InboxSettings)
    inbox = open_inbox(settings)
    listeners: list[Callable[[], None]] = []

    def tell() -> None:
        for listener in listeners:
            listener()

    writer = InboxWriter(inbox, clock=web.clock, on_commit=tell)
    web.hold(InboxDoor(inbox, webhook_reader(settings, now=web.clock()), writer, listeners))
    try:
        yield
    finally:
        writer.close()


async def _webhook(request: Request) -> Response:
    """`GET`: a health check. `POST`: take events."""
    web = state_of(request)
    if request.method not in {"GET", "HEAD"}:
        return await _take(web, request)
    if request.headers.get("content-type"):
        # A destination whose method is GET would take the health check's answer for success.
        raise Refusal(
            405, "events come by POST, this is the health check", headers={"Allow": "POST"}
        )
    state = await run_in_threadpool(web.held(InboxDoor).inbox.state)
    return answer(
        {
            "status": "ok",
            "secured": web.settings.posthog_webhook_secret is not None,
            "waiting": state.waiting,
            "lastReceivedAt": state.last_received_at,
        }
    )


async def _take(web: Web, request: Request) -> Response:
    """Keep the events of the body; 200 means they are on disk.

    What can hold no events is kept as well, and refused so that PostHog does not send it again.
    """
    try:
        body = await secured_body(web, request, web.settings.posthog_webhook_secret, _SECRET)
        if request.method != "POST":
            raise _wrong_method(request, body)
    except Refusal as refusal:
        if refusal.body is not None:
            problem = Problem(f"{refusal.status}: {refusal.message}", shown(refusal.body))
            await _keep(web, Payload(problems=(problem,)))
        raise refusal if request.method == "POST" else _wrong_method(request, None) from None
    try:
        payload = web.held(InboxDoor).reader.read(body, now=web.clock())
    except UnreadableBody as error:
        await _keep(web, Payload(problems=(error.problem,)))
        raise Refusal(400, f"{error}. {_KEPT}") from None
    new = await _keep(web, payload)
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
            "error": f"{'; '.join(reasons[:3])}. {_KEPT}",
        },
        status=200 if payload.deliveries else 422,
    )


def _wrong_method(request: Request, body: bytes | None) -> Refusal:
    return Refusal(
        405,
        f"{request.method} is not for this address",
        headers={"Allow": ", ".join(_METHODS)},
        body=body,
    )


async def _keep(web: Web, payload: Payload) -> int:
    """Put it on disk: how many of its events were not there yet."""
    try:
        return await web.held(InboxDoor).writer.add(payload)
    except LeadpipeError as error:
        seconds = _BUSY_SECONDS if isinstance(error, InboxBusy) else _UNAVAILABLE_SECONDS
        raise Refusal(503, str(error), headers={"Retry-After": str(seconds)}) from None


def _facts(look: Look) -> Mapping[str, Any]:
    state = look.web.held(InboxDoor).inbox.state()
    return {
        "waiting": state.waiting,
        "dead_letters": state.dead_letters,
        "last_received_at": state.last_received_at,
        "unconfirmed": look.query("SELECT uuid FROM unconfirmed_events WHERE seen_at IS NULL"),
    }


def _state(web: Web) -> Mapping[str, Any]:
    state = web.held(InboxDoor).inbox.state()
    return {
        "webhook": {
            "secured": web.settings.posthog_webhook_secret is not None,
            "received": state.received,
            "lastReceivedAt": state.last_received_at,
            "waiting": state.waiting,
            "deadLetters": state.dead_letters,
        }
    }


PAGES = Pages(
    # Both spellings answer: PostHog follows no redirect.
    routes=[
        Route(f"/api/webhooks/posthog{slash}", _webhook, methods=[*_METHODS, *_REFUSED_METHODS])
        for slash in ("", "/")
    ],
    panels=[Panel("facts", "inbox/facts.html", _facts)],
    first_step="Point PostHog's webhook at <code>/api/webhooks/posthog</code> "
    "and watch the visitors of this week move.",
    check=_check,
    running=_running,
    state=_state,
    needs={"inbox": lambda web: web.held(InboxDoor).inbox.check_writable()},
)
