"""What the Dagster UI needs before it beside the door: commands of its own page only, and the page's login.

Dagster takes commands from whoever sends them, by GET as well, so that any web page could command it through
the browser of somebody who may. Belongs here: which commands come from its own page; who is logged in, and
whether they may give commands. Does not belong here: what these do.
"""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from graphql import GraphQLError, OperationType, parse
from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadpipe.web.access import given_secret, is_same
from leadpipe.web.caller import CALLER, Caller, Gate, address_of
from leadpipe.web.door import refuse
from leadpipe.web.lasting import while_allowed
from leadpipe.web.roles import Role
from leadpipe.web.settings import PREFIX
from leadpipe.web.status import Needs, healthy, missing, readiness

HEALTH = ("/healthz", f"{PREFIX}/healthz")
READINESS = ("/readyz", f"{PREFIX}/readyz")
_JSON = {"application/json", "application/json;charset=utf-8"}
_MOST_TOKENS = 50_000  # Dagster's own page sends some hundreds
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
    """Lets in who is logged in on the page, and the page itself by its key; without a login, everybody.

    Commands are an operator's, and logged with who gave them; others read. `/healthz` answers everybody that
    the program lives, and `/readyz` whether what it `needs` is there.

    Args:
        app: what is behind it.
        gate: who is known.
        key: the page's.
        prefix: the path that Dagster is below, `/dagster` or nothing.
        needs: what it cannot work without.
    """

    app: ASGIApp
    gate: Gate
    key: SecretStr
    prefix: str
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
        if is_same(
            self.key, given_secret(connection.headers)
        ):  # it has asked, and logged, who it is for
            scope[CALLER] = Caller(Role.OPERATOR, address_of(connection))
            await self.app(scope, receive, send)
            return
        caller = self.gate.caller_of(connection)
        if caller is None:
            await _ask_for_login(connection, receive, send)
        elif caller.role is None:
            problem = (
                f"{caller.person} has no role here; somebody with the role operator can give one"
            )
            await refuse(problem, scope, receive, send)
        elif scope["type"] == "websocket":
            await self._while_logged_in(caller, connection, receive, send)
        elif scope["method"] not in _HARMLESS:
            await self._command(caller, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _while_logged_in(
        self, caller: Caller, connection: HTTPConnection, receive: Receive, send: Send
    ) -> None:
        """A websocket for questions, which ends with the session."""
        is_refused = False

        async def checked() -> Message:
            nonlocal is_refused
            message = await receive()
            is_said = message["type"] == "websocket.receive"
            if is_said and not caller.may(Role.OPERATOR) and _asks_a_command(message):
                is_refused = True
                return {"type": "websocket.disconnect", "code": 1008}
            return message

        await while_allowed(
            self.app,
            connection.scope,
            checked,
            send,
            is_allowed=lambda: self.gate.look_up(connection) == caller,
        )
        if is_refused:
            self._note(caller, "was refused: sent a command by websocket")
            await send({"type": "websocket.close", "code": 1008, "reason": "commands come by POST"})

    async def _command(self, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        """Read a request that may be a command, refuse or log it if it is, and pass it on."""
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
        what = self._what(scope["path"], bytes(body))
        if what and not caller.may(Role.OPERATOR):
            self._note(caller, f"was refused: {what}")
            problem = f"commands need the role {Role.OPERATOR}, and your role is {caller.role}"
            await refuse(problem, scope, receive, send)
            return
        if what:
            self._note(caller, what)
        messages: list[Message] = [
            {"type": "http.request", "body": bytes(body), "more_body": False}
        ]

        async def again() -> Message:
            return messages.pop() if messages else await receive()

        await self.app(scope, again, send)

    def _what(self, path: str, body: bytes) -> str | None:
        """What a request would change, in Dagster's word for it; None for questions."""
        if path != f"{self.prefix}/graphql":  # also a path below another one that ends so
            return f"sent {path}"
        try:
            content: Any = json.loads(body)
            query, name = content["query"], content.get("operationName")
        except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
            return "sent Dagster what is no question"
        if not may_command(query):
            return None
        return f"gave Dagster the command {str(name or 'without a name')[:100]}"

    def _note(self, caller: Caller, what: str) -> None:
        self.gate.logins.note(str(caller), what, now=self.gate.clock(), person=caller.person)


def may_command(query: object) -> bool:
    """Whether a GraphQL text has anything but questions, or is none."""
    if not isinstance(query, str):
        return True
    try:
        document = parse(query, max_tokens=_MOST_TOKENS)
    except (GraphQLError, RecursionError):
        return True
    kinds = {each.operation for each in document.definitions if hasattr(each, "operation")}
    return OperationType.MUTATION in kinds


def _asks_a_command(message: Message) -> bool:
    """Whether a message over a websocket has a command, or nothing that can be read."""
    try:
        content: Any = json.loads(message.get("text") or message.get("bytes") or "")
        if "payload" not in content:
            return False
        return "query" in content["payload"] and may_command(content["payload"]["query"])
    except (ValueError, RecursionError, TypeError):
        return True


async def _ask_for_login(connection: HTTPConnection, receive: Receive, send: Send) -> None:
    scope = connection.scope
    if scope["type"] == "http" and "text/html" in connection.headers.get("accept", ""):
        target = f"/login?next={quote(scope['path'])}"
        await RedirectResponse(target, status_code=303)(scope, receive, send)
    else:
        await refuse("log in at /login first", scope, receive, send, status=401)
