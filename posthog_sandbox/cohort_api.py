"""PostHog's endpoints about cohorts.

Belongs here: requests, answers and refusals. Does not belong here: calculation (`cohorts.py`), the
rules for filters (`cohort_filters.py`) and files (`cohort_csv.py`).
"""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from posthog_sandbox import refusals
from posthog_sandbox.cohort_csv import read_ids
from posthog_sandbox.cohort_filters import checked_filters, condition_sql
from posthog_sandbox.cohorts import Cohort
from posthog_sandbox.form import Form, read_form
from posthog_sandbox.paging import asked_page, page_of
from posthog_sandbox.person_list import list_persons
from posthog_sandbox.refusals import Refusal
from posthog_sandbox.world import World

_CREATED = 201
_LONGEST_NAME = 400
_MOST_PERSONS_A_CALL = 1_000
_DISTINCT_IDS_SHOWN = 10
_WRITING = frozenset({"POST", "PATCH", "PUT", "DELETE"})

Answer = Callable[[World, Request, Form], Response]


async def answer_cohorts(request: Request) -> Response:
    """`GET cohorts/`, scope `cohort:read`, and `POST cohorts/`, scope `cohort:write`."""
    return await _answered(request, _made if request.method == "POST" else _listed)


async def answer_cohort(request: Request) -> Response:
    """`GET` and `PATCH cohorts/{id}/`; there is no `DELETE`."""
    answers: dict[str, Answer] = {"PATCH": _changed, "DELETE": _not_deleted}
    return await _answered(request, answers.get(request.method, _shown))


async def answer_cohort_persons(request: Request) -> Response:
    """`GET cohorts/{id}/persons/`, scopes `cohort:read` and `person:read`."""
    return await _answered(request, _persons, "person:read")


async def add_persons(request: Request) -> Response:
    """`PATCH cohorts/{id}/add_persons_to_static_cohort/`, scope `cohort:write`."""
    return await _answered(request, _persons_added)


async def _answered(request: Request, answer: Answer, *scopes: str) -> Response:
    world: World = request.app.state.world
    writes = request.method in _WRITING
    try:
        world.access.check_key(request)
        world.access.check_project(request.path_params["project_id"])
        for scope in ("cohort:write" if writes else "cohort:read", *scopes):
            world.access.check_scope(scope)
        form = await read_form(request) if writes else Form({})
        return await asyncio.to_thread(answer, world, request, form)
    except Refusal as refusal:
        return refusal.response()


def _listed(world: World, request: Request, _: Form) -> Response:
    limit, offset = asked_page(request)
    found = world.cohorts.listed(world.context(in_utc=False))
    word = request.query_params.get("search", "").lower()
    found = [one for one in found if word in (one.name or "").lower()]
    if request.query_params.get("type") in {"static", "dynamic"}:
        is_static = request.query_params["type"] == "static"
        found = [one for one in found if one.is_static == is_static]
    shown = [_json(one) for one in found[offset : offset + limit]]
    page = page_of(request, shown, has_more=offset + limit < len(found))
    return JSONResponse({"count": len(found), **page})


def _made(world: World, _: Request, form: Form) -> Response:
    fields = form.fields
    is_static = _checked(world, fields, is_static=bool(fields.get("is_static")))
    if not is_static and not fields.get("filters"):
        raise refusals.invalid("Must contain a 'properties' key with type and values")
    # As in PostHog, the cohort is there before its file is looked at, and stays if that is refused.
    cohort = world.cohorts.add(now=world.clock.now(), is_static=is_static)
    _apply(world, cohort, form)
    return JSONResponse(_json(cohort), _CREATED)


def _shown(world: World, request: Request, _: Form) -> Response:
    return JSONResponse(_json(_found(world, request)))


def _changed(world: World, request: Request, form: Form) -> Response:
    cohort = _found(world, request)
    _checked(world, form.fields, is_static=cohort.is_static)
    _apply(world, cohort, form)
    return JSONResponse(_json(cohort))


def _not_deleted(world: World, request: Request, _: Form) -> Response:
    _found(world, request)
    raise refusals.method_not_allowed(
        'Hard delete of this model is not allowed. Use a patch API call to set "deleted" to true'
    )


def _persons(world: World, request: Request, _: Form) -> Response:
    cohort = _found(world, request)
    limit, offset = asked_page(request)
    members = f"SELECT person_id FROM sandbox.cohort_people WHERE cohort_id = {cohort.id}"
    found = list_persons(
        world,
        f"id IN ({members})",
        limit=limit,
        offset=offset,
        most_distinct_ids=_DISTINCT_IDS_SHOWN,
    )
    return JSONResponse(page_of(request, found, has_more=len(found) >= limit))


def _persons_added(world: World, request: Request, form: Form) -> Response:
    cohort = _found(world, request)
    if not cohort.is_static:
        raise refusals.invalid("Can only add users to static cohorts")
    given = form.fields.get("person_ids")
    if not isinstance(given, list):
        raise refusals.invalid("person_ids must be a list")
    if not given:
        raise refusals.invalid("person_ids cannot be empty")
    if len(given) > _MOST_PERSONS_A_CALL:
        raise refusals.invalid("List size exceeds limit")
    try:
        ids = [str(uuid.UUID(str(one))) for one in given]
    except ValueError:
        raise refusals.invalid("Must be a valid UUID.", attr="person_ids") from None
    listed = ", ".join(f"toUUID('{one}')" for one in ids)
    if not list_persons(world, f"id IN ({listed})", limit=1, offset=0):
        raise refusals.invalid("No valid users to add to cohort")
    world.cohorts.add_persons(cohort, ids, world.context(in_utc=False))
    return JSONResponse({"success": True})


def _found(world: World, request: Request) -> Cohort:
    text = request.path_params["cohort_id"]
    context = world.context(in_utc=False)
    cohort = world.cohorts.get(int(text), context) if text.isdecimal() else None
    if cohort is None:
        raise refusals.no_such_object()
    return cohort


def _checked(world: World, fields: dict[str, Any], *, is_static: bool) -> bool:
    """Refuse fields before anything changes; whether the cohort is to be static."""
    if len(str(fields.get("name") or "")) > _LONGEST_NAME:
        detail = f"Ensure this field has no more than {_LONGEST_NAME} characters."
        raise refusals.invalid(detail, attr="name", code="max_length")
    if fields.get("filters") and not is_static:
        fields["filters"] = checked_filters(fields["filters"])
        condition_sql(fields["filters"]["properties"], world.context(in_utc=False))
    return is_static


def _apply(world: World, cohort: Cohort, form: Form) -> None:
    fields = form.fields
    cohort.name = fields.get("name", cohort.name)
    cohort.description = fields.get("description", cohort.description) or ""
    if fields.get("filters"):
        cohort.filters = fields["filters"]
    is_deletion = "deleted" in fields and bool(fields["deleted"]) != cohort.is_deleted
    if is_deletion:
        cohort.is_deleted = bool(fields["deleted"])
    if cohort.is_static and "csv" in form.files:
        kind, ids = read_ids(form.files["csv"])
        world.cohorts.begin_calculation(cohort, ids, kind)
    elif not cohort.is_static and not is_deletion:
        world.cohorts.begin_calculation(cohort)


def _json(cohort: Cohort) -> dict[str, Any]:
    calculated = cohort.last_calculation
    return {
        "id": cohort.id,
        "name": cohort.name,
        "description": cohort.description,
        "groups": [],
        "deleted": cohort.is_deleted,
        "filters": cohort.filters or {"properties": {}},
        "query": None,
        "version": cohort.version,
        "pending_version": cohort.version,
        "is_calculating": cohort.is_calculating,
        "created_by": None,
        "created_at": cohort.created_at.isoformat().replace("+00:00", "Z"),
        "last_calculation": calculated and calculated.isoformat().replace("+00:00", "Z"),
        "last_backfill_person_properties_at": None,
        "errors_calculating": cohort.errors_calculating,
        "last_error_message": (
            "The calculation of this cohort failed." if cohort.errors_calculating else None
        ),
        "count": cohort.count,
        "is_static": cohort.is_static,
        "cohort_type": "static" if cohort.is_static else None,
        "experiment_set": [],
    }
