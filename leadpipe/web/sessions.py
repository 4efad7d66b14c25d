"""Logging in to the pages. A session is a signed cookie (`SameSite=Strict`, not readable by scripts)."""

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from leadpipe.web.access import client_of, is_same
from leadpipe.web.answers import Refusal
from leadpipe.web.csrf import check_csrf
from leadpipe.web.rendering import render
from leadpipe.web.settings import WebSettings
from leadpipe.web.state import state_of

HOME = "/admin/sync"
_LOGGED_IN = "is_logged_in"

Route = Callable[[Request], Awaitable[Response]]


def is_logged_in(request: Request) -> bool:
    """Whether the session may see pages: it has logged in, or no login is wanted."""
    return state_of(request).admin_token is None or request.session.get(_LOGGED_IN) is True


def only_logged_in(route: Route) -> Route:
    """A route for people who are logged in: a page sends others to the login, an API refuses them."""

    async def guarded(request: Request) -> Response:
        if is_logged_in(request):
            return await route(request)
        is_program = "application/json" in request.headers.get("accept", "")
        if not (is_program or request.url.path.startswith("/api/")):
            return RedirectResponse(f"/login?next={quote(request.url.path)}", status_code=303)
        raise Refusal(401, "log in at /login first")

    return guarded


async def login(request: Request) -> Response:
    """`GET /login`: the form. `POST`: compare the token, start a session."""
    web = state_of(request)
    if web.admin_token is None or (request.method == "GET" and is_logged_in(request)):
        return RedirectResponse(HOME, status_code=303)
    problem: str | None = None
    status = 200
    if request.method == "POST":
        await check_csrf(request)
        form = await request.form()
        given = form.get("token")
        if isinstance(given, str) and is_same(web.admin_token, given.strip()):
            request.session.clear()  # a session from before the login is worth nothing now
            request.session[_LOGGED_IN] = True
            return RedirectResponse(_local(request.query_params.get("next")), status_code=303)
        wait = web.wrong_secrets.note(client_of(request))
        problem = "That is not the token."
        status = 401
        if wait is not None:
            problem, status = f"Too many wrong tokens. Wait {wait:.0f} seconds.", 429
    return render(
        request,
        "login.html",
        {"problem": problem, "is_kept": web.settings.of(WebSettings).admin_token is None},
        status=status,
    )


async def logout(request: Request) -> Response:
    """`POST /logout`: end the session."""
    await check_csrf(request)
    request.session.clear()
    return RedirectResponse("/login", status_code=303)


def _local(path: str | None) -> str:
    """A path of this application; anything else would lead people away after the login."""
    if path and path.startswith("/") and not path.startswith(("//", "/\\")):
        return path
    return HOME
