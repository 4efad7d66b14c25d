"""PostHog's query endpoint.

Belongs here: the request's and the answer's shape, the cache, the order of refusals. Does not belong
here: HogQL (`hogql.py`) and counting (`limits.py`).
"""

import asyncio
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from posthog_sandbox import refusals
from posthog_sandbox.compression import compressed
from posthog_sandbox.front import ENTRY
from posthog_sandbox.hogql import Translation, translate
from posthog_sandbox.refusals import Refusal, invalid_query
from posthog_sandbox.storage import Rows
from posthog_sandbox.world import CachedAnswer, World

_ALWAYS_CALCULATED = frozenset({"force_blocking", "force_async"})


@dataclass(frozen=True)
class _Asked:
    query: str
    values: dict[str, Any]
    modifiers: dict[str, Any]
    calculates: bool
    key: str
    name: str | None


async def answer_query(request: Request) -> Response:
    """`POST /api/projects/{id}/query/` with a HogQLQuery.

    Asynchronous refresh modes are answered like blocking ones.
    """
    world: World = request.app.state.world
    try:
        world.access.check_key(request)
        world.access.check_project(request.path_params["project_id"])
        world.access.check_scope("query:read")
        world.gate.count()
        asked = _asked(await request.body())
        answer, is_cached = await _answer(world, asked)
    except Refusal as refusal:
        return refusal.response()
    request.scope[ENTRY].rows = answer.rows.count
    head = {**answer.head, "is_cached": is_cached}
    body = json.dumps(head, ensure_ascii=False).encode()
    # The rows are ClickHouse's own JSON; nothing here looks at them.
    return await compressed(request, (body[:-1], b', "results": [', answer.rows.body, b"]}"))


def _asked(body: bytes) -> _Asked:
    try:
        asked = json.loads(body)
    except ValueError as error:
        detail = f"JSON parse error - {error}"
        raise Refusal(400, "invalid_request", "parse_error", detail) from None
    query = asked.get("query") if isinstance(asked, dict) else None
    if not isinstance(query, dict):
        raise invalid_query("This field is required.", "required")
    if query.get("kind") != "HogQLQuery":
        raise invalid_query(f"The sandbox answers HogQLQuery only, not {query.get('kind')!r}.")
    if not isinstance(query.get("query"), str):
        raise invalid_query("Field required: query", "required")
    refresh = asked.get("refresh")
    parts = [query["query"], query.get("values") or {}, query.get("modifiers") or {}]
    digest = hashlib.md5(json.dumps(parts, sort_keys=True).encode(), usedforsecurity=False)
    return _Asked(
        query=parts[0],
        values=parts[1],
        modifiers=parts[2],
        calculates=refresh is True or refresh in _ALWAYS_CALCULATED,
        key=f"cache_1_{digest.hexdigest()}",
        name=asked.get("name"),
    )


async def _answer(world: World, asked: _Asked) -> tuple[CachedAnswer, bool]:
    known = None if asked.calculates else world.cache.get(asked.key)
    if known is not None:
        return known, True
    in_utc = asked.modifiers.get("convertToProjectTimezone") is False
    translation = translate(
        asked.query, asked.values, world.context(in_utc=in_utc, name=asked.name)
    )
    async with world.gate.place():
        await _be_slow(world, translation)
        seconds = world.gate.limits.max_execution_seconds
        rows = await asyncio.to_thread(world.storage.run, translation.sql, seconds=seconds)
    answer = _cacheable(asked, translation, rows, world.clock.now())
    world.cache.put(asked.key, answer)
    return answer, False


async def _be_slow(world: World, translation: Translation) -> None:
    slowness = world.slowness
    if translation.matched_sql is None:
        return
    if not slowness.seconds_per_row and slowness.most_rows is None:
        return
    counted = await asyncio.to_thread(world.storage.values, translation.matched_sql)
    matched = int(counted[0][0])
    if slowness.most_rows is not None and matched > slowness.most_rows:
        raise refusals.timed_out()
    allowed = world.gate.limits.max_execution_seconds
    cost = matched * slowness.seconds_per_row
    await asyncio.sleep(min(cost, allowed))
    if cost > allowed:
        raise refusals.timed_out()


def _cacheable(asked: _Asked, translation: Translation, rows: Rows, now: datetime) -> CachedAnswer:
    head: dict[str, Any] = {
        "cache_key": asked.key,
        "cache_target_age": None,
        "calculation_trigger": None,
        "clickhouse": translation.sql,
        "columns": list(translation.columns),
        "error": None,
        "explain": None,
        "hogql": asked.query.strip(),
        "last_refresh": now.isoformat().replace("+00:00", "Z"),
        "metadata": None,
        "modifiers": asked.modifiers,
        "next_allowed_client_refresh": None,
        "query": asked.query,
        "query_status": None,
        "timezone": "UTC",
        "timings": [],
        "types": [
            [column, kind]
            for column, (_, kind) in zip(translation.columns, rows.types, strict=True)
        ],
    }
    if translation.limit is not None:
        head |= {"hasMore": rows.count > translation.limit, "limit": translation.limit, "offset": 0}
        rows = _first(rows, translation.limit)
    return CachedAnswer(rows, head)


def _first(rows: Rows, limit: int) -> Rows:
    if rows.count <= limit:
        return rows
    kept = json.loads(b"[" + rows.body + b"]")[:limit]
    body = json.dumps(kept, ensure_ascii=False).encode()[1:-1]
    return Rows(rows.types, body, limit)


async def query_status(request: Request) -> Response:
    """`GET /api/projects/{id}/query/{query_id}/`: nothing is ever pending here."""
    world: World = request.app.state.world
    try:
        world.access.check_key(request)
        world.access.check_project(request.path_params["project_id"])
        world.access.check_scope("query:read")
    except Refusal as refusal:
        return refusal.response()
    body = {
        "type": "invalid_request",
        "code": "not_found",
        "detail": f"Query {request.path_params['query_id']} not found for team.",
        "attr": None,
    }
    return JSONResponse(body, 404)
