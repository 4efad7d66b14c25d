"""What the Dagster UI needs before it beside the door: commands of its own page only, and the page's login.

Dagster takes commands from whoever sends them, by GET as well, so that any web page could command it through
the browser of somebody who may. Belongs here: which commands come from its own page; who is logged in. Does
not belong here: what they do.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadpipe.web.access import given_secret, is_same
from leadpipe.web.door import refuse
from leadpipe.web.logins import Logins
from leadpipe.web.sessions import session_of, who
from leadpipe.web.settings import PREFIX
from leadpipe.web.status import Needs, healthy, missing, readiness

HEALTH = ("/healthz", f"{PREFIX}/healthz")
READINESS = ("/readyz", f"{PREFIX}/readyz")
_JSON = {"application/json", "application/json;charset=utf-8"}
_MOST_BYTES = 20_000_000
_HARMLESS = {"GET", "HEAD", "OPTIONS"}


class OnlyItsOwnPage:
    """Refuses commands that a browser sends for another page, and all of those that come by GET."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        problem = _problem(scope) if scope["type"] in {"http", "websocket"} else None
        if problem:
            await refuse(problem, scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _problem(scope: Scope) -> str | None:
    headers = Headers(scope=scope)
    is_command = scope["type"] == "websocket" or scope["method"] not in _HARMLESS
    if not is_command:
        is_question = scope["path"].rstrip("/").endswith("/graphql") and scope["query_string"]
        return "questions and commands come by POST" if is_question else None
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return "this was sent by a page of another site"
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        return "this was sent by a page of another site"
    kinds = [kind.lower().replace(" ", "") for kind in headers.getlist("content-type")]
    if scope["type"] == "http" and (len(kinds) != 1 or kinds[0] not in _JSON):
        return "Content-Type must be application/json"
    return None


@dataclass(frozen=True)
class WithLogin:
    """Lets in who is logged in on the page, and the page itself by its key; without a token, everybody.

    Commands are logged with who gave them. `/healthz` answers everybody that the program lives, and
    `/readyz` whether what it `needs` is there.
    """

    app: ASGIApp
    logins: Logins
    token: SecretStr | None
    key: SecretStr | None
    clock: Callable[[], datetime]
    needs: Needs = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, send a person to the login, or refuse it."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] in HEALTH:
            await healthy()(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] in READINESS:
            names = await run_in_threadpool(missing, self.needs)
            await readiness(names)(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        address = connection.client.host if connection.client else "unknown"
        caller = self._caller(connection, address)
        if caller is None:
            is_page = scope["type"] == "http" and "text/html" in connection.headers.get(
                "accept", ""
            )
            if is_page:
                target = f"/login?next={quote(scope['path'])}"
                await RedirectResponse(target, status_code=303)(scope, receive, send)
            else:
                await refuse("log in at /login first", scope, receive, send, status=401)
        elif scope["type"] == "http" and scope["method"] not in _HARMLESS:
            await self._logged(caller, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _caller(self, connection: HTTPConnection, address: str) -> str | None:
        if self.token is None:
            return who(None, address)
        if self.key is not None and is_same(self.key, given_secret(connection.headers)):
            return "the page"
        session = session_of(connection, self.logins, self.token, now=self.clock())
        return who(session, address) if session else None

    async def _logged(self, caller: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Read a command, log it if it changes anything, and pass it on."""
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > _MOST_BYTES:
                await refuse("the body is too large", scope, receive, send, status=413)
                return
        what = _command(scope["path"], bytes(body))
        if what and caller != "the page":  # which has logged it, with who pressed its button
            self.logins.note(caller, what, now=self.clock())
        messages: list[Message] = [
            {"type": "http.request", "body": bytes(body), "more_body": False}
        ]

        async def again() -> Message:
            return messages.pop() if messages else await receive()

        await self.app(scope, again, send)


def _command(path: str, body: bytes) -> str | None:
    """What a request would change, in Dagster's word for it; None for questions."""
    if not path.rstrip("/").endswith("/graphql"):
        return f"sent {path}"
    try:
        content: Any = json.loads(body)
        is_mutation = "mutation" in str(content["query"])
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    if not is_mutation:
        return None
    return f"gave Dagster the command {str(content.get('operationName') or 'without a name')[:100]}"
