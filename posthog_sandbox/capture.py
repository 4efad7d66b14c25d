"""PostHog's capture endpoints: what SDKs send to.

Belongs here: answers, which events are dropped in silence, what becomes of the others. Does not
belong here: unpacking (`capture_body.py`), dates (`capture_time.py`), merging persons (`people.py`).
"""

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from posthog_sandbox.capture_body import CaptureBody, Undecodable, read_body
from posthog_sandbox.capture_time import event_time
from posthog_sandbox.people import UNMERGEABLE
from posthog_sandbox.storage_schema import EVENT_SCHEMA
from posthog_sandbox.webhooks import offer
from posthog_sandbox.world import World

LARGEST_EVENT_BYTES = 1024 * 1024
_LONGEST_DISTINCT_ID = 200
_TOKEN = re.compile(r"[!-~]{1,64}")
_NO_TOKEN = "event submitted without an api_key"  # noqa: S105 - the refusal's text
_ALLOW = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "*",
}
_BEACON_STATUS = 204


async def _capture(request: Request) -> Response:
    """`/e/` and its older and newer names."""
    answer, _ = await _received(request)
    return answer or _good(request)


async def _capture_v1(request: Request) -> Response:
    """`/i/v1/analytics/events`, which answers with a verdict for each event."""
    answer, verdicts = await _received(request)
    return answer or JSONResponse({"results": verdicts}, headers=_ALLOW)


async def _received(request: Request) -> tuple[Response | None, dict[str, dict[str, str]]]:
    if request.method == "OPTIONS":
        return Response(headers=_ALLOW), {}
    world: World = request.app.state.world
    try:
        body = read_body(
            await request.body(),
            encoding=request.headers.get("content-encoding", ""),
            query=request.url.query,
        )
    except Undecodable as error:
        return PlainTextResponse(str(error), 400, headers=_ALLOW), {}
    token = body.token or _bearer(request)
    refused = _token_refused(token)
    if refused is not None:
        return PlainTextResponse(refused, 401, headers=_ALLOW), {}
    sent_at = body.sent_at or request.headers.get("posthog-request-timestamp")
    return None, await asyncio.to_thread(_ingest, world, body, sent_at)


def _bearer(request: Request) -> str | None:
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" else None


def _token_refused(token: str | None) -> str | None:
    if not token:
        return _NO_TOKEN
    if token.startswith("phx_"):
        return "API key is not valid: personal_api_key"
    if not _TOKEN.fullmatch(token):
        return "API key is not valid: not_ascii"
    return None


def _good(request: Request) -> Response:
    if request.query_params.get("beacon") == "1":
        return Response(status_code=_BEACON_STATUS, headers=_ALLOW)
    old = request.url.path.strip("/") in {"track", "engage"}
    return JSONResponse({"status": 1 if old else "Ok"}, headers=_ALLOW)


def _ingest(world: World, body: CaptureBody, sent_at: str | None) -> dict[str, dict[str, str]]:
    now = world.clock.now()
    rows: list[dict[str, Any]] = []
    verdicts: dict[str, dict[str, str]] = {}
    for event in body.events:
        row = _row(event, sent_at=sent_at, now=now, delay=world.ingest_delay_seconds)
        if row is None:
            verdicts[str(event.get("uuid"))] = {"result": "drop"}
            continue
        verdicts[str(event.get("uuid") or row["uuid"])] = {"result": "ok"}
        rows.append(row)
    persons = world.people.resolve({row["distinct_id"] for row in rows})
    for row in rows:
        row["person_id"] = persons[row["distinct_id"]]
    if rows:
        columns = EVENT_SCHEMA.names
        plain = [{name: row[name] for name in columns} for row in rows]
        world.storage.insert(pa.Table.from_pylist(plain, EVENT_SCHEMA))
    world.people.remember(set(persons.values()))
    for row in rows:
        _introduce(world, row)
    world.people.store_properties()
    offer(world, rows)
    return verdicts


def _row(
    event: dict[str, Any], *, sent_at: str | None, now: datetime, delay: float
) -> dict[str, Any] | None:
    """The row that an event becomes; None for one that PostHog drops without saying so."""
    sent = event.get("properties")
    properties: dict[str, Any] = dict(sent) if isinstance(sent, dict) else {}
    name = event.get("event")
    distinct_id = _text(event.get("distinct_id", properties.get("distinct_id")))
    if not isinstance(name, str) or not name or distinct_id is None:
        return None
    if len(json.dumps(event)) > LARGEST_EVENT_BYTES:
        return None
    for key in ("$set", "$set_once", "$unset"):
        if key in event and key not in properties:
            properties[key] = event[key]
    created_at = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return {
        "uuid": _uuid(event.get("uuid")),
        "event": name[:200],
        "properties": json.dumps(properties, ensure_ascii=False, separators=(",", ":")),
        "distinct_id": distinct_id[:_LONGEST_DISTINCT_ID],
        "timestamp": event_time(event, sent_at=sent_at, now=now),
        "created_at": created_at,
        "visible_at": created_at + timedelta(seconds=delay),
        "parsed": properties,
    }


def _text(distinct_id: object) -> str | None:
    """The distinct id as text; None if it stands for a mistake in the caller's code."""
    if distinct_id is None or isinstance(distinct_id, (dict, list, bool)):
        return None
    text = str(distinct_id).replace("\0", "\ufffd").strip()
    return None if text.lower() in UNMERGEABLE else text


def _uuid(value: object) -> str:
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        return str(uuid.uuid4())


def _introduce(world: World, row: dict[str, Any]) -> None:
    """Let an event merge persons and set their properties."""
    name, distinct_id, properties = row["event"], row["distinct_id"], row["parsed"]
    anonymous_id = properties.get("$anon_distinct_id")
    alias = properties.get("alias")
    if name == "$identify":
        if isinstance(anonymous_id, str) and anonymous_id:
            world.people.identify(distinct_id, anonymous_id)
        else:
            world.people.mark_identified(distinct_id)
    elif name == "$create_alias" and isinstance(alias, str):
        world.people.identify(distinct_id, alias)
    elif name == "$merge_dangerously" and isinstance(alias, str):
        world.people.merge(distinct_id, alias)
    if properties.get("$process_person_profile") is not False:
        world.people.update_properties(
            distinct_id,
            set_once=_mapping(properties.get("$set_once")),
            set_always=_mapping(properties.get("$set")),
            unset=_names(properties.get("$unset")),
        )


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(value: object) -> list[str]:
    """PostHog takes a list of names, or an object whose keys are the names."""
    return [str(name) for name in value] if isinstance(value, (list, dict)) else []


async def _flags(request: Request) -> Response:
    """`/flags/` and `/decide/`: there are no feature flags here."""
    del request
    body = {
        "flags": {},
        "featureFlags": {},
        "featureFlagPayloads": {},
        "errorsWhileComputingFlags": False,
        "supportedCompression": ["gzip", "gzip-js"],
        "sessionRecording": False,
        "requestId": str(uuid.uuid4()),
        "config": {"enable_collect_everything": True},
    }
    return JSONResponse(body, headers=_ALLOW)


async def _config(request: Request) -> Response:
    """`/array/{token}/config`: what posthog-js loads first."""
    body = {
        "token": request.path_params["token"],
        "supportedCompression": ["gzip", "gzip-js"],
        "hasFeatureFlags": False,
        "sessionRecording": False,
        "autocapture_opt_out": True,
        "surveys": False,
        "heatmaps": False,
        "defaultIdentifiedOnly": True,
    }
    return JSONResponse(body, headers=_ALLOW)


async def _recording(request: Request) -> Response:
    """`/s/`: session recordings are taken and thrown away."""
    return _good(request)


def capture_routes() -> list[Route]:
    """All endpoints that need no personal key."""
    plain: dict[str, Callable[[Request], Awaitable[Response]]] = {
        **dict.fromkeys(("e", "batch", "capture", "track", "engage", "i/v0/e"), _capture),
        "i/v1/analytics/events": _capture_v1,
        "flags": _flags,
        "decide": _flags,
        "s": _recording,
    }
    methods = ["GET", "POST", "OPTIONS"]
    routes = [
        Route(f"/{path}{slash}", endpoint, methods=methods)
        for path, endpoint in plain.items()
        for slash in ("", "/")
    ]
    return [*routes, Route("/array/{token}/config", _config, methods=methods)]
