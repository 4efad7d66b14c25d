"""The list of leads and the page of one, as answers; to which request is not their business."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from leadpipe.errors import NotPublished, UnknownLead
from leadpipe.leads import timeline, views
from leadpipe.leads.book import LeadBook, LeadHistory
from leadpipe.leads.edits import LONGEST_NOTE, STATUSES, Outcome
from leadpipe.leads.lead_rows import shown_leads
from leadpipe.leads.views import LeadsView
from leadpipe.web.overview import Shown, query_of
from leadpipe.web.parts import Look
from leadpipe.web.rendering import render
from leadpipe.web.state import Web, state_of

SAID = "leads said"
"""Where a session keeps what a change has to say on the page that follows it."""
_WIDTHS = (timeline.WIDE, timeline.NARROW)


@dataclass(frozen=True)
class Conflict:
    """A change that was not kept, and what stands in its way."""

    outcome: Outcome
    wanted: str
    name: str


async def list_page(
    request: Request,
    view: LeadsView,
    problems: Sequence[str],
    *,
    conflicts: Sequence[Conflict] = (),
    said: object = None,
    status: int = 200,
) -> Response:
    """The list of a view, with what was done or could not be.

    Args:
        request: which is answered.
        view: the leads.
        problems: what cannot be used of what was asked, a sentence each.
        conflicts: changes that were not kept.
        said: what was done; by default what the request before has left to say.
        status: of the answer.
    """
    web = state_of(request)
    now, zone = web.clock(), web.settings.alert_timezone
    book = web.held(LeadBook)
    shown = await run_in_threadpool(lambda: shown_leads(book, view, now=now, zone=zone))
    return render(
        request,
        "leads/list.html",
        {
            "shown": shown,
            "view": view,
            "choices": _choices(shown.sources),
            "as_of": shown.as_of,
            "problems": list(problems),
            "conflicts": conflicts,
            "said": said or request.session.pop(SAID, None),
            "form_id": uuid.uuid4().hex,
            "statuses": STATUSES,
            "presets": views.PRESETS,
            "back": view.address(page=view.page),
        },
        status=status,
    )


async def lead_page(
    request: Request,
    *,
    is_revealed: bool = False,
    problems: Sequence[str] = (),
    conflicts: Sequence[Conflict] = (),
    draft: str = "",
    status: int = 200,
) -> Response:
    """The page of the lead that the path names, or that there is none.

    Args:
        request: which is answered.
        is_revealed: with contact data in full.
        problems: what cannot be used of what was sent, a sentence each.
        conflicts: changes that were not kept.
        draft: of a note.
        status: of the answer.
    """
    web = state_of(request)
    lead_id = str(request.path_params["lead_id"])
    try:
        history, details = await run_in_threadpool(
            _lead_content, web, lead_id, is_revealed=is_revealed
        )
    except (UnknownLead, NotPublished):
        return missing_page(request)
    moments = timeline.moments(history)
    return render(
        request,
        "leads/lead.html",
        {
            "lead": history.lead,
            "history": history,
            "moments": moments[::-1],
            "lines": [(width, timeline.marks(moments, width=width)) for width in _WIDTHS],
            "details": details,
            "can_reveal": any(shown.content.get("can_reveal") for shown in details),
            "is_revealed": is_revealed,
            "has_listings": _has_listings(web),
            "problems": problems,
            "conflicts": conflicts,
            "draft": draft,
            "said": request.session.pop(SAID, None),
            "form_id": uuid.uuid4().hex,
            "as_of": web.held(LeadBook).as_of(),
            "statuses": STATUSES,
            "longest_note": LONGEST_NOTE,
            "back": "",
        },
        status=status,
    )


def missing_page(request: Request) -> Response:
    """That there is no such lead."""
    return render(request, "leads/missing.html", {}, status=404)


def _lead_content(web: Web, lead_id: str, *, is_revealed: bool) -> tuple[LeadHistory, list[Shown]]:
    book = web.held(LeadBook)
    history = book.history(lead_id)
    with book.reading() as ask:
        look = Look(query_of(ask), web, web.clock())
        found = [
            (detail.template, detail.content(look, history.lead, is_revealed))
            for pages in web.pages
            for detail in pages.details
            if detail.subject == "lead"
        ]
    return history, [Shown(template, content) for template, content in found if content is not None]


def _has_listings(web: Web) -> bool:
    """Whether there is a page of a listing to lead to."""
    return any(
        str(getattr(route, "path", "")).startswith("/listings/{")
        for pages in web.pages
        for route in pages.routes
    )


def _choices(sources: Sequence[str]) -> Mapping[str, Sequence[tuple[str, str]]]:
    """What the form of filters offers."""
    return {**views.CHOICES, "sources": [("none", "none"), *zip(sources, sources, strict=True)]}
