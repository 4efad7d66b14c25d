"""What people change on the pages of leads: status, notes, and undo; and the revealing of contact data.

A form posts, and the answer leads back to the page it came from; a change made on an older version is
answered with what stands there now (409). What is kept is the business of `edits.py`.
"""

import uuid
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from leadpipe.errors import ConfigurationError, UnknownLead
from leadpipe.leads.book import LeadBook
from leadpipe.leads.edits import NEVER, Change, Kind, Outcome
from leadpipe.leads.lead_rows import lead_names
from leadpipe.leads.showing import SAID, Conflict, lead_page, list_page, missing_page
from leadpipe.leads.views import LIST, PAGE_ROWS, LeadsView, read_view
from leadpipe.web.answers import Refusal
from leadpipe.web.csrf import check_csrf
from leadpipe.web.sessions import name_of, note_act, person_of
from leadpipe.web.state import state_of

_MOST_FIELDS = PAGE_ROWS + 20


async def set_status(request: Request) -> Response:
    """One status for one lead or several, each on the version that was seen."""
    form = await _form(request)
    status = form.get("status", "")
    chosen = [each.partition(":") for each in (await request.form()).getlist("lead")]  # type: ignore[union-attr]
    view, _ = read_view(parse_qsl(form.get("back", "")))
    if not chosen:
        return await list_page(
            request, view, ["Choose leads first: tick the boxes before them."], status=400
        )
    versions = {lead_id: version for lead_id, _, version in chosen}
    try:
        outcomes, batch = await run_in_threadpool(
            _change, request, "status", status, versions, form.get("form", "")
        )
    except ConfigurationError as error:
        return await list_page(request, view, [str(error)], status=400)
    kept = [outcome for outcome in outcomes if outcome.edit is not None]
    what = "1 lead" if len(kept) == 1 else f"{len(kept)} leads"
    said = {"text": f"{what} called {status}.", "batch": batch} if kept else None
    if len(kept) < len(outcomes):
        names = await run_in_threadpool(
            lead_names, state_of(request).held(LeadBook), list(versions)
        )
        conflicts = [
            Conflict(each, status, names[each.lead_id]) for each in outcomes if each.edit is None
        ]
        return await list_page(request, view, [], conflicts=conflicts, said=said, status=409)
    request.session[SAID] = said
    place = f"#lead-{kept[0].lead_id}" if len(kept) == 1 else ""
    return RedirectResponse(f"{_address(view)}{place}", status_code=303)


async def undo(request: Request) -> Response:
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
    request.session[SAID] = {"text": text, "batch": ""}
    if lead_id := form.get("lead"):
        return RedirectResponse(f"{LIST}/{plain(lead_id)}", status_code=303)
    view, _ = read_view(parse_qsl(form.get("back", "")))
    return RedirectResponse(_address(view), status_code=303)


async def reveal(request: Request) -> Response:
    """The lead with its contact data in full; who asked for it is kept."""
    await _form(request)
    note_act(request, f"revealed the contact data of lead {plain(request.path_params['lead_id'])}")
    return await lead_page(request, is_revealed=True)


async def set_status_of_lead(request: Request) -> Response:
    """A status for one lead, on the version that was seen."""
    return await _change_lead(request, "status")


async def add_note(request: Request) -> Response:
    """A note on one lead."""
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
        return await lead_page(
            request, problems=[str(error)], draft=form.get("note", ""), status=400
        )
    except UnknownLead:
        return missing_page(request)
    if outcome.edit is None:
        conflict = Conflict(outcome, value, "This lead")
        return await lead_page(request, conflicts=[conflict], status=409)
    text = f"Called {value}." if kind == "status" else "Note kept."
    request.session[SAID] = {"text": text, "batch": batch}
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


def plain(lead_id: str) -> str:
    """An id as ours are, so that nothing else gets into an address or a log."""
    return "".join(each for each in lead_id[:40] if each.isascii() and each.isalnum())


def _id(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "\n".join(parts)))


def _author(request: Request) -> str:
    """Who changes something, as colleagues read it: a name if there is one."""
    return name_of(request) or person_of(request)
