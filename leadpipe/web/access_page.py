"""`/admin/access`: who has an account, who is logged in and what people did, for operators.

Roles and passwords are changed by `leadpipe access` at the machine; the page ends sessions.
"""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from leadpipe.web.answers import Refusal
from leadpipe.web.csrf import check_csrf
from leadpipe.web.rendering import render
from leadpipe.web.roles import Role
from leadpipe.web.sessions import caller_of, note_act, only_logged_in
from leadpipe.web.state import Web, state_of

PAGE = "/admin/access"
_MOST_ACTS = 200


def routes() -> list[Route]:
    """The page and its button, for operators."""
    return [
        Route(PAGE, only_logged_in(_show, sees=Role.OPERATOR)),
        Route(
            f"{PAGE}/end",
            only_logged_in(_end, sees=Role.OPERATOR, changes=Role.OPERATOR),
            methods=["POST"],
        ),
    ]


async def _show(request: Request) -> Response:
    """`GET`: people, roles, sessions, and what was done last."""
    caller = caller_of(request)
    content = await run_in_threadpool(_content, state_of(request))
    own = caller.session.name if caller and caller.session else None
    return render(request, "access.html", {**content, "own": own, "roles": list(Role)})


async def _end(request: Request) -> Response:
    """`POST`: end a session by its short name."""
    await check_csrf(request)
    web = state_of(request)
    name = str((await request.form()).get("session", ""))
    sessions = await run_in_threadpool(web.logins.sessions, now=web.clock())
    wanted = next((one for one in sessions if one.name == name), None)
    if wanted is None:
        raise Refusal(404, "that session has ended already; load the page again")
    note_act(request, f"ended the session {wanted.name} of {wanted.person or 'the admin token'}")
    await run_in_threadpool(web.logins.end_session, wanted.name)
    return RedirectResponse(PAGE, status_code=303)


def _content(web: Web) -> dict[str, object]:
    return {
        "people": web.logins.people.all(),
        "sessions": web.logins.sessions(now=web.clock()),
        "acts": web.logins.acts(limit=_MOST_ACTS),
        "has_token": web.admin_token is not None,
        "sign_on": web.gate.sign_on,
    }
