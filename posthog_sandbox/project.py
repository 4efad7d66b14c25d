"""PostHog's endpoints about the project, the user, the key and the server's health.

Belongs here: what a client asks before it queries. Does not belong here: queries and capture.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from posthog_sandbox.process import PROJECT_API_KEY
from posthog_sandbox.refusals import Refusal
from posthog_sandbox.world import World

_ORGANIZATION = {"id": "0191a000-0000-4000-8000-000000000001", "name": "Sandbox", "slug": "sandbox"}
_CREATED_AT = "2025-01-01T00:00:00Z"


async def show_project(request: Request) -> Response:
    """`GET /api/projects/{id}/`, scope `project:read`."""
    world: World = request.app.state.world
    try:
        world.access.check_key(request)
        world.access.check_project(request.path_params["project_id"])
        world.access.check_scope("project:read")
    except Refusal as refusal:
        return refusal.response()
    return JSONResponse(_project(world))


async def show_user(request: Request) -> Response:
    """`GET /api/users/@me/`, scope `user:read`."""
    world: World = request.app.state.world
    try:
        world.access.check_key(request)
        world.access.check_scope("user:read")
    except Refusal as refusal:
        return refusal.response()
    team = {key: _project(world)[key] for key in ("id", "name", "timezone", "api_token")}
    return JSONResponse(
        {
            "uuid": "0191a000-0000-4000-8000-000000000002",
            "distinct_id": "sandbox-user",
            "first_name": "Sandbox",
            "last_name": "",
            "email": "sandbox@example.com",
            "organization": _ORGANIZATION,
            "team": team,
        }
    )


async def show_key(request: Request) -> Response:
    """`GET /api/personal_api_keys/@current/`, which any key may ask about itself."""
    world: World = request.app.state.world
    try:
        world.access.check_key(request)
    except Refusal as refusal:
        return refusal.response()
    key = world.access.api_key
    return JSONResponse(
        {
            "id": "sandbox-key",
            "label": "Sandbox",
            "value": None,
            "mask_value": f"{key[:4]}...{key[-4:]}",
            "created_at": _CREATED_AT,
            "last_used_at": None,
            "user_id": 1,
            "scopes": list(world.access.scopes) or ["*"],
            "scoped_teams": [],
            "scoped_organizations": [],
        }
    )


async def health(request: Request) -> Response:
    """`GET /_health`."""
    del request
    return PlainTextResponse("ok")


async def preflight(request: Request) -> Response:
    """`GET /_preflight`."""
    del request
    return JSONResponse(
        {"django": True, "redis": True, "db": True, "cloud": True, "realm": "cloud"}
    )


def _project(world: World) -> dict[str, Any]:
    number = world.access.project_id
    return {
        "id": int(number) if number.isdigit() else number,
        "uuid": "0191a000-0000-4000-8000-000000000003",
        "organization": _ORGANIZATION["id"],
        "name": "Sandbox",
        "api_token": PROJECT_API_KEY,
        "timezone": world.project_timezone,
        "created_at": _CREATED_AT,
        "ingested_event": True,
        "week_start_day": 0,
        **world.retention.public(),
    }
