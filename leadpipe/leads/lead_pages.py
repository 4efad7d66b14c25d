"""`/leads` and `/leads/{id}`: the routes of the list and one lead, for people who are logged in.

How they look is `showing.py`'s, what people change there `changing.py`'s, which leads are shown `views.py`'s.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from leadpipe.errors import NotPublished, UnknownLead
from leadpipe.leads.book import LeadBook
from leadpipe.leads.changing import (
    add_note,
    plain,
    reveal,
    set_status,
    set_status_of_lead,
    undo,
)
from leadpipe.leads.edits import EditsUnavailable, kept_edits
from leadpipe.leads.lead_rows import leads_csv
from leadpipe.leads.settings import LeadsSettings
from leadpipe.leads.showing import lead_page, list_page
from leadpipe.leads.views import LIST, read_view
from leadpipe.web.answers import Refusal
from leadpipe.web.roles import Role
from leadpipe.web.sessions import note_act, only_logged_in
from leadpipe.web.state import Web, state_of


@asynccontextmanager
async def running(web: Web) -> AsyncIterator[None]:
    """Hold the book of leads while the application runs."""
    own = web.settings.of(LeadsSettings)
    book = LeadBook(own.published_dir, kept_edits(own))
    web.hold(book)
    try:
        yield
    finally:
        book.close()


async def _show_list(request: Request) -> Response:
    """The leads of a view; the address is the view."""
    return await list_page(request, *read_view(request.query_params.multi_items()))


async def _export(request: Request) -> Response:
    """The leads of a view as a CSV file that a spreadsheet may open, all pages of it."""
    view, problems = read_view(request.query_params.multi_items())
    if problems:
        raise Refusal(400, " ".join(problems))
    web = state_of(request)
    text, rows = await run_in_threadpool(
        lambda: leads_csv(
            web.held(LeadBook), view, now=web.clock(), zone=web.settings.alert_timezone
        )
    )
    note_act(request, f"exported {rows} leads")
    return Response(
        text.encode(),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="leads.csv"',
            "Cache-Control": "no-store",
        },
    )


async def _show_lead(request: Request) -> Response:
    return await lead_page(request)


def _guarded(route: Any) -> Any:  # noqa: ANN401 - a route
    """A route for people who are logged in; a file that cannot be written is a clear answer."""

    async def clear(request: Request) -> Response:
        try:
            return await route(request)  # type: ignore[no-any-return]
        except EditsUnavailable as error:
            raise Refusal(503, str(error), headers={"Retry-After": "5"}) from None
        except UnknownLead as error:
            raise Refusal(404, str(error)) from None
        except NotPublished as error:
            raise Refusal(404, str(error)) from None

    return only_logged_in(clear, changes=Role.WORKER, is_view=True)


async def _go_back(request: Request) -> Response:
    """Where somebody comes by GET to what is a button, as after a login: the page with the button."""
    lead_id = plain(request.path_params.get("lead_id", ""))
    return RedirectResponse(f"{LIST}/{lead_id}" if lead_id else LIST, status_code=303)


ROUTES = [
    Route(LIST, _guarded(_show_list)),
    Route(f"{LIST}.csv", _guarded(_export)),
    Route(f"{LIST}/status", _guarded(set_status), methods=["POST"]),
    Route(f"{LIST}/undo", _guarded(undo), methods=["POST"]),
    Route(f"{LIST}/status", _guarded(_go_back)),
    Route(f"{LIST}/undo", _guarded(_go_back)),
    Route(f"{LIST}/{{lead_id}}", _guarded(_show_lead)),
    Route(f"{LIST}/{{lead_id}}/status", _guarded(set_status_of_lead), methods=["POST"]),
    Route(f"{LIST}/{{lead_id}}/note", _guarded(add_note), methods=["POST"]),
    Route(f"{LIST}/{{lead_id}}/reveal", _guarded(reveal), methods=["POST"]),
    Route(f"{LIST}/{{lead_id}}/{{button}}", _guarded(_go_back)),
]
