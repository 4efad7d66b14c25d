"""`/leads` and `/leads/{id}`: the list and one lead, and what people change on them.

What is shown is `book.py`'s, which leads is `views.py`'s, what is kept is `edits.py`'s. A form posts, and the
answer leads back to the page it came from; a change made on an older version is answered with what stands
there now (409).
"""

import csv
import io
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from leadpipe.csv_cells import csv_cell
from leadpipe.errors import ConfigurationError, NotPublished, UnknownLead
from leadpipe.leads import timeline, views
from leadpipe.leads.book import LeadBook, LeadHistory
from leadpipe.leads.edits import (
    LONGEST_NOTE,
    NEVER,
    STATUSES,
    Change,
    EditsUnavailable,
    Kind,
    Outcome,
    kept_edits,
)
from leadpipe.leads.settings import LeadsSettings
from leadpipe.leads.views import LeadsView, read_view
from leadpipe.web.answers import Refusal
from leadpipe.web.csrf import check_csrf
from leadpipe.web.overview import Shown, query_of
from leadpipe.web.parts import Look
from leadpipe.web.rendering import render
from leadpipe.web.roles import Role
from leadpipe.web.sessions import name_of, note_act, only_logged_in, person_of
from leadpipe.web.state import Web, state_of

LIST = "/leads"
_MOST_FIELDS = views.PAGE_ROWS + 20
_SAID = "leads said"
_COLUMNS = (
    "lead_id, listing, listing_id, seeker_id, lister_id, lead_score, total_actions, lead_types, "
    "last_action_at, first_action_at, last_utm_source, status, status_version, status_changed_by, "
    "status_changed_at"
)
_EXPORTED = (
    "lead_id, listing_id, seeker_id, lister_id, lister_type, lead_score, total_actions, lead_types, "
    "first_action_at, last_action_at, last_action_type, first_utm_source, last_utm_source, status, "
    "status_changed_by, status_changed_at, first_response_seconds"
)
_MOST_SOURCES = 50


@dataclass(frozen=True)
class _Conflict:
    """A change that was not kept, and what stands in its way."""

    outcome: Outcome
    wanted: str
    name: str


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
    return await _list(request, *read_view(request.query_params.multi_items()))


async def _export(request: Request) -> Response:
    """The leads of a view as a CSV file that a spreadsheet may open, all pages of it."""
    view, problems = read_view(request.query_params.multi_items())
    if problems:
        raise Refusal(400, " ".join(problems))
    text, rows = await run_in_threadpool(_csv, state_of(request), view)
    note_act(request, f"exported {rows} leads")
    return Response(
        text.encode(),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="leads.csv"',
            "Cache-Control": "no-store",
        },
    )


async def _set_status(request: Request) -> Response:
    """One status for one lead or several, each on the version that was seen."""
    form = await _form(request)
    status = form.get("status", "")
    chosen = [each.partition(":") for each in (await request.form()).getlist("lead")]  # type: ignore[union-attr]
    view, _ = read_view(parse_qsl(form.get("back", "")))
    if not chosen:
        return await _list(
            request, view, ["Choose leads first: tick the boxes before them."], status=400
        )
    versions = {lead_id: version for lead_id, _, version in chosen}
    try:
        outcomes, batch = await run_in_threadpool(
            _change, request, "status", status, versions, form.get("form", "")
        )
    except ConfigurationError as error:
        return await _list(request, view, [str(error)], status=400)
    kept = [outcome for outcome in outcomes if outcome.edit is not None]
    what = "1 lead" if len(kept) == 1 else f"{len(kept)} leads"
    said = {"text": f"{what} called {status}.", "batch": batch} if kept else None
    if len(kept) < len(outcomes):
        names = await run_in_threadpool(_names, state_of(request), list(versions))
        conflicts = [
            _Conflict(each, status, names[each.lead_id]) for each in outcomes if each.edit is None
        ]
        return await _list(request, view, [], conflicts=conflicts, said=said, status=409)
    request.session[_SAID] = said
    place = f"#lead-{kept[0].lead_id}" if len(kept) == 1 else ""
    return RedirectResponse(f"{_address(view)}{place}", status_code=303)


async def _undo(request: Request) -> Response:
    """Take back a change (`edit`), or those of one button (`batch`)."""
    form = await _form(request)
    edits = state_of(request).held(LeadBook).edits
    wanted = {name: form[name] for name in ("edit", "batch") if form.get(name)}
    if len(wanted) != 1:
        raise Refusal(400, "edit or batch should say what to undo")
    outcomes = await run_in_threadpool(
        lambda: edits.undo(
            author=_author(request),
            now=state_of(request).clock(),
            edit_id=wanted.get("edit"),
            batch=wanted.get("batch"),
        )
    )
    undone = [outcome for outcome in outcomes if outcome.edit is not None]
    left = len(outcomes) - len(undone)
    text = f"Undone: {len(undone)} change{'' if len(undone) == 1 else 's'}."
    if left:
        text += f" {left} stayed, as somebody has changed the same since."
    request.session[_SAID] = {"text": text, "batch": ""}
    if lead_id := form.get("lead"):
        return RedirectResponse(f"{LIST}/{_plain(lead_id)}", status_code=303)
    view, _ = read_view(parse_qsl(form.get("back", "")))
    return RedirectResponse(_address(view), status_code=303)


async def _show_lead(request: Request) -> Response:
    return await _lead(request)


async def _reveal(request: Request) -> Response:
    """The lead with its contact data in full; who asked for it is kept."""
    await _form(request)
    note_act(request, f"revealed the contact data of lead {_plain(request.path_params['lead_id'])}")
    return await _lead(request, is_revealed=True)


async def _set_status_of_lead(request: Request) -> Response:
    return await _change_lead(request, "status")


async def _add_note(request: Request) -> Response:
    return await _change_lead(request, "note")


async def _change_lead(request: Request, kind: Kind) -> Response:
    """A status or a note for one lead."""
    form = await _form(request)
    lead_id, value = str(request.path_params["lead_id"]), form.get(kind, "")
    versions = {lead_id: form.get("version", NEVER)}
    try:
        [outcome], batch = await run_in_threadpool(
            _change, request, kind, value, versions, form.get("form", "")
        )
    except ConfigurationError as error:
        return await _lead(request, problems=[str(error)], draft=form.get("note", ""), status=400)
    except UnknownLead:
        return _missing(request)
    if outcome.edit is None:
        conflict = _Conflict(outcome, value, "This lead")
        return await _lead(request, conflicts=[conflict], status=409)
    text = f"Called {value}." if kind == "status" else "Note kept."
    request.session[_SAID] = {"text": text, "batch": batch}
    return RedirectResponse(f"{LIST}/{lead_id}", status_code=303)


def _change(
    request: Request, kind: Kind, value: str, versions: dict[str, str], form: str
) -> tuple[list[Outcome], str]:
    """Keep one change of several leads; what became of each, and the name to undo them by.

    Raises:
        UnknownLead: one of them is no lead.
        ConfigurationError: the value cannot be used.
    """
    web = state_of(request)
    book = web.held(LeadBook)
    leads = list(versions)
    if odd := {*leads} - {*book.versions(leads)}:
        raise UnknownLead(f"{len(odd)} of the leads are no more; load the page again")
    # The same form sent twice is one change.
    batch = _id(form or uuid.uuid4().hex, kind, value, *leads)
    published = book.published_status(leads)
    changes = [
        Change(_id(batch, lead), lead, kind, value, versions[lead], published.get(lead))
        for lead in leads
    ]
    outcomes = book.edits.change(changes, author=_author(request), now=web.clock(), batch=batch)
    return outcomes, batch


async def _list(
    request: Request,
    view: LeadsView,
    problems: Sequence[str],
    *,
    conflicts: Sequence[_Conflict] = (),
    said: object = None,
    status: int = 200,
) -> Response:
    web = state_of(request)
    content = await run_in_threadpool(_list_content, web, view)
    return render(
        request,
        "leads/list.html",
        content
        | {
            "view": view,
            "problems": list(problems),
            "conflicts": conflicts,
            "said": said or request.session.pop(_SAID, None),
            "form_id": uuid.uuid4().hex,
            "now": web.clock(),
            "statuses": STATUSES,
            "presets": views.PRESETS,
            "back": view.address(page=view.page),
        },
        status=status,
    )


def _list_content(web: Web, view: LeadsView) -> dict[str, Any]:
    """The rows of a page, how many there are by status, and the sources one can choose."""
    now = web.clock()
    rows: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    sources: list[str] = []
    is_published = True
    try:
        with web.held(LeadBook).reading() as ask:
            where, values = view.where(now, but_status=True)
            found = ask(
                f"SELECT status, count(*) FROM leads_now WHERE {where} GROUP BY status", values
            ).rows
            counts = {str(status): int(str(count)) for status, count in found}
            where, values = view.where(now)
            rows = ask(
                f"SELECT {_COLUMNS} FROM leads_now WHERE {where} ORDER BY {view.order} "
                "LIMIT $rows OFFSET $skipped",
                values | {"rows": views.PAGE_ROWS, "skipped": (view.page - 1) * views.PAGE_ROWS},
            ).as_dicts()
            sources = [
                str(source)
                for (source,) in ask(
                    "SELECT last_utm_source FROM lead_sources LIMIT $most", {"most": _MOST_SOURCES}
                ).rows
            ]
    except NotPublished:
        is_published = False
    total = sum(
        count for status, count in counts.items() if not view.status or status in view.status
    )
    return {
        "rows": rows,
        "counts": counts,
        "total": total,
        "pages": max(-(-total // views.PAGE_ROWS), 1),
        "choices": {
            **views.CHOICES,
            "sources": [("none", "none"), *zip(sources, sources, strict=True)],
        },
        "is_published": is_published,
    }


def _csv(web: Web, view: LeadsView) -> tuple[str, int]:
    where, values = view.where(web.clock())
    with web.held(LeadBook).reading() as ask:
        rows = ask(f"SELECT {_EXPORTED} FROM leads_now WHERE {where} ORDER BY {view.order}", values)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(rows.columns)
    writer.writerows([csv_cell(value) for value in row] for row in rows.rows)
    return file.getvalue(), len(rows.rows)


async def _lead(
    request: Request,
    *,
    is_revealed: bool = False,
    problems: Sequence[str] = (),
    conflicts: Sequence[_Conflict] = (),
    draft: str = "",
    status: int = 200,
) -> Response:
    web = state_of(request)
    lead_id = str(request.path_params["lead_id"])
    try:
        history, details = await run_in_threadpool(
            _lead_content, web, lead_id, is_revealed=is_revealed
        )
    except (UnknownLead, NotPublished):
        return _missing(request)
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
            "said": request.session.pop(_SAID, None),
            "form_id": uuid.uuid4().hex,
            "now": web.clock(),
            "statuses": STATUSES,
            "longest_note": LONGEST_NOTE,
            "back": "",
        },
        status=status,
    )


_WIDTHS = (timeline.WIDE, timeline.NARROW)


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


def _names(web: Web, lead_ids: list[str]) -> dict[str, str]:
    """What leads are called on the page: listing and seeker."""
    with web.held(LeadBook).reading() as ask:
        rows = ask(
            "SELECT lead_id, listing || ' · ' || seeker_id FROM lead_list "
            "WHERE lead_id IN (SELECT unnest($leads::VARCHAR[]))",
            {"leads": lead_ids},
        ).rows
    return {str(lead_id): str(name) for lead_id, name in rows}


def _missing(request: Request) -> Response:
    return render(request, "leads/missing.html", {}, status=404)


def _has_listings(web: Web) -> bool:
    """Whether there is a page of a listing to lead to."""
    return any(
        str(getattr(route, "path", "")).startswith("/listings/{")
        for pages in web.pages
        for route in pages.routes
    )


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form that a page of this session has sent.

    Raises:
        Refusal: 403.
    """
    await check_csrf(request, most_fields=_MOST_FIELDS)
    return {name: str(value) for name, value in (await request.form()).items()}


def _address(view: LeadsView) -> str:
    query = view.address(page=view.page)
    return f"{LIST}?{query}" if query else LIST


def _plain(lead_id: str) -> str:
    """An id as ours are, so that nothing else gets into an address or a log."""
    return "".join(each for each in lead_id[:40] if each.isascii() and each.isalnum())


def _id(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "\n".join(parts)))


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
    lead_id = _plain(request.path_params.get("lead_id", ""))
    return RedirectResponse(f"{LIST}/{lead_id}" if lead_id else LIST, status_code=303)


def _author(request: Request) -> str:
    """Who changes something, as colleagues read it: a name if there is one."""
    return name_of(request) or person_of(request)


ROUTES = [
    Route(LIST, _guarded(_show_list)),
    Route(f"{LIST}.csv", _guarded(_export)),
    Route(f"{LIST}/status", _guarded(_set_status), methods=["POST"]),
    Route(f"{LIST}/undo", _guarded(_undo), methods=["POST"]),
    Route(f"{LIST}/status", _guarded(_go_back)),
    Route(f"{LIST}/undo", _guarded(_go_back)),
    Route(f"{LIST}/{{lead_id}}", _guarded(_show_lead)),
    Route(f"{LIST}/{{lead_id}}/status", _guarded(_set_status_of_lead), methods=["POST"]),
    Route(f"{LIST}/{{lead_id}}/note", _guarded(_add_note), methods=["POST"]),
    Route(f"{LIST}/{{lead_id}}/reveal", _guarded(_reveal), methods=["POST"]),
    Route(f"{LIST}/{{lead_id}}/{{button}}", _guarded(_go_back)),
]
