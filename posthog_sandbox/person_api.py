"""PostHog's endpoints about persons.

Belongs here: requests and answers. Does not belong here: who is who (`people.py`). Properties change
by capture only, as PostHog recommends.
"""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from posthog_sandbox import refusals
from posthog_sandbox.form import read_form
from posthog_sandbox.hogql_literals import quoted
from posthog_sandbox.paging import asked_page, page_of
from posthog_sandbox.person_list import list_persons
from posthog_sandbox.refusals import Refusal
from posthog_sandbox.world import World

_MOST_A_BULK = 1_000
_ACCEPTED = 202


async def answer_persons(request: Request) -> Response:
    """`GET persons/` by `distinct_id`, `search` or `email`, in pages; scope `person:read`."""
    return await _answered(request, "person:read", _listed)


async def answer_person(request: Request) -> Response:
    """`GET persons/{uuid}/`, scope `person:read`; `DELETE`, scope `person:write`, answers 202."""
    if request.method == "DELETE":
        return await _answered(request, "person:write", _deleted)
    return await _answered(request, "person:read", _shown)


async def delete_persons(request: Request) -> Response:
    """`POST persons/bulk_delete/` by `ids` or `distinct_ids`; scope `person:write`."""
    return await _answered(request, "person:write", _bulk_deleted)


async def _answered(
    request: Request, scope: str, answer: Callable[[World, Request, dict[str, Any]], Response]
) -> Response:
    world: World = request.app.state.world
    try:
        world.access.check_key(request)
        world.access.check_project(request.path_params["project_id"])
        world.access.check_scope(scope)
        fields = (await read_form(request)).fields if request.method == "POST" else {}
        return await asyncio.to_thread(answer, world, request, fields)
    except Refusal as refusal:
        return refusal.response()


def _listed(world: World, request: Request, _: dict[str, Any]) -> Response:
    limit, offset = asked_page(request)
    asked = request.query_params
    conditions = ["true"]
    if asked.get("distinct_id"):
        conditions.append(f"has(distinct_ids, {quoted(asked['distinct_id'])})")
    if asked.get("email"):
        conditions.append(f"{_property('email')} = {quoted(asked['email'])}")
    if asked.get("search"):
        word = quoted(asked["search"])
        contains = " OR ".join(
            f"positionCaseInsensitive({_property(key)}, {word}) > 0" for key in ("email", "name")
        )
        conditions.append(f"(has(distinct_ids, {word}) OR {contains})")
    found = list_persons(world, " AND ".join(conditions), limit=limit, offset=offset)
    return JSONResponse(page_of(request, found, has_more=len(found) >= limit))


def _property(key: str) -> str:
    return f"JSONExtractString(properties, {quoted(key)})"


def _shown(world: World, request: Request, _: dict[str, Any]) -> Response:
    return JSONResponse(_person(world, request.path_params["person_id"]))


def _deleted(world: World, request: Request, _: dict[str, Any]) -> Response:
    """The person goes at once; events would go at a quiet hour, which never comes here."""
    world.people.delete(_person(world, request.path_params["person_id"])["uuid"])
    return Response(status_code=_ACCEPTED)


def _person(world: World, person_id: str) -> dict[str, Any]:
    try:
        wanted = str(uuid.UUID(person_id))
    except ValueError:
        raise refusals.invalid(
            "The ID provided does not look like a personID. If you are using a distinctId, please "
            f"use /persons?distinct_id={person_id} instead."
        ) from None
    found = list_persons(world, f"id = toUUID({quoted(wanted)})", limit=1, offset=0)
    if not found:
        raise refusals.no_such_object()
    return found[0]


def _bulk_deleted(world: World, _: Request, fields: dict[str, Any]) -> Response:
    names = [name for name in ("ids", "distinct_ids") if fields.get(name)]
    if not names:
        raise refusals.invalid("You need to specify either distinct_ids or ids")
    wanted = [str(one) for one in fields[names[0]]]
    if len(wanted) > _MOST_A_BULK:
        raise refusals.invalid(f"You can only pass {_MOST_A_BULK} {names[0]} in one call")
    listed = ", ".join(quoted(one) for one in wanted)
    chosen = (
        f"toString(id) IN ({listed})" if names[0] == "ids" else f"hasAny(distinct_ids, [{listed}])"
    )
    found = list_persons(world, chosen, limit=len(wanted), offset=0)
    for person in found:
        world.people.delete(person["uuid"])
    body = {
        "persons_found": len(found),
        "persons_deleted": len(found),
        "events_queued_for_deletion": bool(fields.get("delete_events")),
        "recordings_queued_for_deletion": bool(fields.get("delete_recordings")),
        "deletion_errors": [],
    }
    return JSONResponse(body, _ACCEPTED)
