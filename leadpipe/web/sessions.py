"""Logging in to the pages and the Dagster UI.

A session is an id in a signed cookie (`SameSite=Strict`, not readable by scripts, over https `__Host-` and
`Secure`) and a row in `logins.py`: it ends with a logout, with another token, and after half a day.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from pydantic import SecretStr
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from leadpipe.web.access import client_of, is_same
from leadpipe.web.answers import Refusal
from leadpipe.web.csrf import check_csrf
from leadpipe.web.kept import kept_secret
from leadpipe.web.logins import SESSION_HOURS, Logins, Session
from leadpipe.web.rendering import render
from leadpipe.web.settings import WebSettings
from leadpipe.web.state import state_of

HOME = "/admin/sync"
START = "/"
"""Where people land after the login."""
_SESSION = "session"

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


def session_of(
    connection: HTTPConnection, logins: Logins, token: SecretStr, *, now: datetime
) -> Session | None:
    """The session of a request's cookie, None if there is none or it has ended."""
    given = connection.session.get(_SESSION)
    return logins.find(given, token, now=now) if isinstance(given, str) else None


def is_logged_in(request: Request) -> bool:
    """Whether the session may see pages: it has logged in, or no login is wanted."""
    web = state_of(request)
    if web.admin_token is None:
        return True
    return session_of(request, web.logins, web.admin_token, now=web.clock()) is not None


def person_of(request: Request) -> str:
    """Who makes the request, in words, as it is kept beside everything a person does."""
    web = state_of(request)
    token = web.admin_token
    session = session_of(request, web.logins, token, now=web.clock()) if token else None
    return who(session, client_of(request))


def note_act(request: Request, what: str) -> None:
    """Keep and log who does something that one may have to answer for; `what` has no personal data."""
    web = state_of(request)
    web.logins.note(person_of(request), what, now=web.clock())


def who(session: Session | None, address: str) -> str:
    """Somebody in words: the session, and the address the request came from."""
    return f"session {session.name} at {address}" if session else f"{address} without a login"


def only_logged_in(route: Route) -> Route:
    """A route for people who are logged in: a page sends others to the login, an API refuses them."""

    async def guarded(request: Request) -> Response:
        if is_logged_in(request):
            request.state.may_look = True
            return await route(request)
        is_program = "application/json" in request.headers.get("accept", "")
        if not (is_program or request.url.path.startswith("/api/")):
            return RedirectResponse(
                f"/login?next={quote(_wanted(request), safe='/')}", status_code=303
            )
        raise Refusal(401, "log in at /login first")

    return guarded


def _wanted(request: Request) -> str:
    """The address that somebody asked for, to be led to after the login: a view is an address."""
    query = request.url.query
    return f"{request.url.path}?{query}" if query and request.method == "GET" else request.url.path


async def login(request: Request) -> Response:
    """`GET /login`: the form. `POST`: compare the token, start a session."""
    web = state_of(request)
    if web.admin_token is None or (request.method == "GET" and is_logged_in(request)):
        return RedirectResponse(START, status_code=303)
    problem: str | None = None
    status = 200
    if request.method == "POST":
        await check_csrf(request)
        form = await request.form()
        given = form.get("token")
        client = client_of(request)
        problem, status = "That is not the token.", 401
        if wait := web.brake.seconds_left(client):
            problem, status = f"Too many wrong tokens. Wait {wait:.0f} seconds.", 429
        elif isinstance(given, str) and is_same(web.admin_token, given.strip()):
            web.brake.note_right(client)
            request.session.clear()  # a session from before the login is worth nothing now
            request.session[_SESSION] = web.logins.begin(
                web.admin_token, address=client, now=web.clock()
            )
            note_act(request, "logged in")
            return RedirectResponse(_local(request.query_params.get("next")), status_code=303)
        else:
            web.brake.note_wrong(client)
            note_act(request, "gave a wrong token")
    return render(
        request,
        "login.html",
        {"problem": problem, "is_kept": web.settings.of(WebSettings).admin_token is None},
        status=status,
    )


async def logout(request: Request) -> Response:
    """`POST /logout`: end the session, also for whoever has a copy of its cookie."""
    await check_csrf(request)
    given = request.session.get(_SESSION)
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
