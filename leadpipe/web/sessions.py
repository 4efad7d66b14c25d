"""Logging in to the pages and the Dagster UI, and what a role may do there.

A session is an id in a signed cookie (`SameSite=Strict`, not readable by scripts, over https `__Host-` and
`Secure`) and a row in `logins.py`: it ends with a logout, with another token, password or role, and after
half a day. Who makes a request is said by `caller.py`.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from leadpipe.web.access import client_of, is_same
from leadpipe.web.answers import Refusal
from leadpipe.web.caller import CALLER, SESSION, SIGNED_ON, Caller, identity_of
from leadpipe.web.csrf import check_csrf
from leadpipe.web.kept import kept_secret
from leadpipe.web.lasting import Lasting
from leadpipe.web.logins import SESSION_HOURS
from leadpipe.web.people import Verified
from leadpipe.web.rendering import render
from leadpipe.web.roles import Role
from leadpipe.web.settings import WebSettings
from leadpipe.web.state import Web, state_of

HOME = "/admin/sync"
START = "/"
"""Where people land after the login."""
_HARMLESS = {"GET", "HEAD", "OPTIONS"}
_SIGNED_ON_HOURS = 1  # of a stream: the next one asks the proxy again
_MOST_NAME = 100

Route = Callable[[Request], Awaitable[Response]]


def signing_key(data_dir: Path, token: SecretStr | None) -> SecretStr:
    """What cookies are signed with: of a key in the data folder and of the token, so another one ends all.

    Raises:
        ConfigurationError: the kept key cannot be used.
    """
    kept = kept_secret(data_dir / "session_key")
    given = token.get_secret_value() if token is not None else ""
    return SecretStr(hmac.digest(kept.encode(), given.encode(), hashlib.sha256).hex())


class SignedSessions:
    """Starlette's sessions in a cookie, `__Host-leadpipe` over https and `leadpipe` elsewhere."""

    def __init__(self, app: ASGIApp, *, key: SecretStr) -> None:
        def signed(cookie: str, *, is_https: bool) -> SessionMiddleware:
            return SessionMiddleware(
                app,
                secret_key=key.get_secret_value(),
                session_cookie=cookie,
                max_age=SESSION_HOURS * 3_600,
                same_site="strict",
                https_only=is_https,
            )

        self._plain = signed("leadpipe", is_https=False)
        self._secure = signed("__Host-leadpipe", is_https=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give the request its session."""
        is_https = scope.get("scheme") in {"https", "wss"}
        await (self._secure if is_https else self._plain)(scope, receive, send)


def caller_of(request: Request) -> Caller | None:
    """Who makes the request; None for strangers."""
    return state_of(request).gate.caller_of(request)


def is_logged_in(request: Request) -> bool:
    """Whether somebody who may see pages makes the request, or no login is wanted."""
    caller = caller_of(request)
    return caller is not None and caller.role is not None


def person_of(request: Request) -> str:
    """Who makes the request, in words, as it is kept beside everything a person does."""
    return str(caller_of(request) or Caller(None, client_of(request)))


def name_of(request: Request) -> str | None:
    """The name of the account or sign-on that makes the request, None if it is known by none."""
    caller = caller_of(request)
    return caller.person if caller else None


def note_act(request: Request, what: str) -> None:
    """Keep and log who does something that one may have to answer for; `what` has no personal data."""
    web = state_of(request)
    web.logins.note(person_of(request), what, now=web.clock(), person=name_of(request))


class RoleMissing(Refusal):
    """Somebody who is known wants what their role may not."""

    def __init__(self, role: Role, caller: Caller) -> None:
        has = f"your role is {caller.role}" if caller.role else "you have no role here"
        super().__init__(
            403,
            f"this needs the role {role}, and {has}. Somebody with the role operator can give it",
        )
        self.role = role


def require(request: Request, role: Role) -> None:
    """Refuse what a route does only sometimes, such as revealing, to those whose role may not.

    Raises:
        Refusal: 401, 403.
    """
    caller = caller_of(request)
    if caller is None:
        raise Refusal(401, "log in at /login first")
    if not caller.may(role):
        raise RoleMissing(role, caller)


def only_logged_in(
    route: Route,
    *,
    sees: Role = Role.VIEWER,
    changes: Role = Role.OPERATOR,
    is_view: bool = False,
) -> Route:
    """A route for people: a page sends strangers to the login, an API refuses them.

    Args:
        route: what it does.
        sees: the role that reading it needs.
        changes: the role that every other method needs.
        is_view: the query of its address says what is shown and does nothing, so it is kept over the login.
    """

    async def guarded(request: Request) -> Response:
        request = _looking(request)
        is_program = "application/json" in request.headers.get("accept", "")
        is_program = is_program or request.url.path.startswith("/api/")
        if caller_of(request) is None and not is_program:
            query = request.url.query if is_view and request.method == "GET" else ""
            wanted = f"{request.url.path}?{query}" if query else request.url.path
            return RedirectResponse(f"/login?next={quote(wanted)}", status_code=303)
        try:
            require(request, sees if request.method in _HARMLESS else changes)
            response = await route(request)
        except RoleMissing as refusal:
            if is_program:
                raise
            return await _refused(request, refusal)
        return _ending_with_the_session(request, response)

    guarded.for_people = True  # type: ignore[attr-defined] # what `app.py` looks for
    return guarded


def _looking(request: Request) -> Request:
    """A request for a page's head as one for the page: no route takes it for a form that was sent."""
    if request.method != "HEAD":
        return request
    return Request({**request.scope, "method": "GET"}, request.receive)


def _ending_with_the_session(request: Request, response: Response) -> Response:
    if not hasattr(response, "body_iterator"):
        return response
    web, caller = state_of(request), caller_of(request)
    until = web.clock() + timedelta(hours=_SIGNED_ON_HOURS)

    def is_allowed() -> bool:
        now = web.gate.look_up(request)
        is_signed_on = now is not None and now.session is None and now.person is not None
        return now == caller and not (is_signed_on and web.clock() > until)

    return Lasting(response, is_allowed)


async def _refused(request: Request, refusal: RoleMissing) -> Response:
    """The page that says which role is needed, and who can give it."""
    people = await run_in_threadpool(state_of(request).logins.people.all)
    content = {
        "needed": refusal.role,
        "operators": [one.name for one in people if one.role is Role.OPERATOR],
    }
    return render(request, "refused.html", content, status=403)


async def login(request: Request) -> Response:
    """`GET /login`: the form. `POST`: compare name and password, or the token, and start a session."""
    web = state_of(request)
    if not web.gate.wants_login or (request.method in _HARMLESS and is_logged_in(request)):
        return RedirectResponse(START, status_code=303)
    problem: str | None = None
    status = 200
    if request.method == "POST":
        await check_csrf(request)
        form = await request.form()
        given = {name: value for name, value in form.items() if isinstance(value, str)}
        name = given.get("name", "").strip().lower()[:_MOST_NAME]
        client = client_of(request)
        what = "passwords" if name else "tokens"
        if wait := max(web.brake.seconds_left(client), web.names_brake.seconds_left(client, name)):
            problem, status = f"Too many wrong {what}. Wait {wait:.0f} seconds.", 429
        elif name:
            if session := await _with_password(web, client, name, given.get("password", "")):
                return _begun(request, session)
            web.logins.note(str(Caller(None, client)), _wrong(web, name), now=web.clock())
            problem, status = "That is not the name and its password.", 401
        elif web.admin_token is not None and is_same(
            web.admin_token, given.get("token", "").strip()
        ):
            web.brake.note_right(client)
            session = web.logins.begin(web.admin_token, address=client, now=web.clock())
            return _begun(request, session)
        else:
            web.brake.note_wrong(client)
            note_act(request, "gave a wrong token")
            problem, status = "That is not the token.", 401
    people = await run_in_threadpool(web.logins.people.all)
    content = {
        "problem": problem,
        "has_people": any(one.has_password for one in people),
        "has_token": web.admin_token is not None,
        "is_kept": web.settings.of(WebSettings).admin_token is None,
    }
    return render(request, "login.html", content, status=status)


async def _with_password(web: Web, client: str, name: str, password: str) -> str | None:
    """A session for the right password; the guess is counted first, as others may come meanwhile."""
    web.brake.note_wrong(client)
    web.names_brake.note_wrong(name)
    async with web.turns.turn():
        verified: Verified | None = await run_in_threadpool(
            web.logins.people.verify, name, password
        )
    if verified is None:
        return None
    web.brake.forgive(client)
    web.names_brake.note_right(client, name)
    return web.logins.begin(web.admin_token, address=client, now=web.clock(), person=verified)


def _wrong(web: Web, name: str) -> str:
    """What was tried; a name that is no account's may be a password in the wrong field."""
    is_known = web.logins.people.find(name) is not None
    return f"gave a wrong password for {name}" if is_known else "gave a name that has no account"


def _begun(request: Request, session: str | None) -> Response:
    """The session's cookie, in place of all there was before, and the page that was asked for."""
    identity = identity_of(request)
    request.session.clear()  # a session from before the login is worth nothing now
    request.session.update({SESSION: session, SIGNED_ON: identity.name if identity else None})
    request.scope.pop(CALLER, None)
    note_act(request, "logged in")
    return RedirectResponse(_local(request.query_params.get("next")), status_code=303)


async def logout(request: Request) -> Response:
    """`POST /logout`: end the session, also for whoever has a copy of its cookie."""
    await check_csrf(request)
    given = request.session.get(SESSION)
    if isinstance(given, str):
        note_act(request, "logged out")
        state_of(request).logins.end(given)
    request.session.clear()
    return RedirectResponse("/login", status_code=303)


def _local(path: str | None) -> str:
    """A path of this application; anything else would lead people away after the login."""
    if path and path.startswith("/") and not path.startswith(("//", "/\\")):
        return path
    return START
