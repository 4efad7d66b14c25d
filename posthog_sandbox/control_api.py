"""The levers of the sandbox, under `/_sandbox/`; `control.py` is their client.

Belongs here: reading a lever's body and pulling it. Does not belong here: PostHog's API.
"""

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from posthog_sandbox.backlogs import Backlog
from posthog_sandbox.batch_exports import export_of, export_spans
from posthog_sandbox.clock import read_moment
from posthog_sandbox.deletions import Deletion, delete
from posthog_sandbox.destinations import Destination
from posthog_sandbox.faults import Fault
from posthog_sandbox.file_downloads import DownloadRules, Outcome
from posthog_sandbox.file_store import StoreFault
from posthog_sandbox.hogql_sources import visible
from posthog_sandbox.limits import QueryLimits
from posthog_sandbox.people import person_of
from posthog_sandbox.retention import DEFAULT_MONTHS, Retention
from posthog_sandbox.seeding import seed_traffic
from posthog_sandbox.storage_schema import EVENT_SCHEMA
from posthog_sandbox.webhook_sender import Address
from posthog_sandbox.webhooks import made_up, offer
from posthog_sandbox.world import Lag, Slowness, World

Lever = Callable[[World, dict[str, Any]], dict[str, Any]]


def _reset(world: World, _: dict[str, Any]) -> dict[str, Any]:
    world.reset()
    return {}


def _insert(world: World, body: dict[str, Any]) -> dict[str, Any]:
    rows = [_row(event) for event in body["events"]]
    world.storage.insert(pa.Table.from_pylist(rows, EVENT_SCHEMA))
    offer(world, rows)
    return {"uuids": [row["uuid"] for row in rows]}


def _row(event: dict[str, Any]) -> dict[str, Any]:
    timestamp = read_moment(event["timestamp"])
    created_at = read_moment(event["created_at"]) if event.get("created_at") else timestamp
    visible_at = read_moment(event["visible_at"]) if event.get("visible_at") else created_at
    distinct_id = event.get("distinct_id", "user_1")
    properties = event.get("properties", {})
    if not isinstance(properties, str):
        properties = json.dumps(properties, ensure_ascii=False, separators=(",", ":"))
    return {
        "uuid": str(uuid.UUID(event["uuid"]) if event.get("uuid") else uuid.uuid4()),
        "event": event["event"],
        "properties": properties,
        "distinct_id": distinct_id,
        "person_id": str(uuid.UUID(event.get("person_id") or person_of(distinct_id))),
        "timestamp": timestamp,
        "created_at": created_at,
        "visible_at": visible_at,
    }


def _generate(world: World, body: dict[str, Any]) -> dict[str, Any]:
    end = read_moment(body["end"]) if body.get("end") else world.clock.now()
    world.truth = seed_traffic(
        world.storage, events=body["events"], days=body["days"], end=end, seed=body["seed"]
    )
    return world.truth


def _truth(world: World, _: dict[str, Any]) -> dict[str, Any]:
    if world.truth is None:
        raise ValueError("Nothing was generated since the last reset.")
    return world.truth


def _clock(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.clock.held_at = read_moment(body["now"]) if body.get("now") else None
    return {}


def _fault(world: World, body: dict[str, Any]) -> dict[str, Any]:
    common = {key: body.pop(key) for key in ("kind", "times", "after", "match") if key in body}
    world.faults.add(Fault(**common, options=body))
    return {}


def _clear_faults(world: World, _: dict[str, Any]) -> dict[str, Any]:
    world.faults.clear()
    return {}


def _limits(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.gate.set(QueryLimits(**body))
    return {}


def _row_cost(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.slowness = Slowness(body["seconds_per_row"], world.slowness.most_rows)
    return {}


def _slow_windows(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.slowness = Slowness(world.slowness.seconds_per_row, body["rows"])
    return {}


def _ingest_delay(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.ingest_delay_seconds = float(body["seconds"])
    return {}


def _lag(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.lag = Lag(float(body["seconds"]), str(body["match"]))
    return {}


def _retention(world: World, body: dict[str, Any]) -> dict[str, Any]:
    if body.get("floor"):
        world.retention = Retention(None, bool(body["enforced"]), read_moment(body["floor"]))
    else:
        months = body.get("months")
        world.retention = Retention(
            DEFAULT_MONTHS if months is None else int(months), bool(body["enforced"])
        )
    return {}


def _backlog(world: World, body: dict[str, Any]) -> dict[str, Any]:
    least = timedelta(hours=body["hours"])
    most = timedelta(hours=body["most_hours"]) if body.get("most_hours") is not None else least
    backlog = Backlog(
        read_moment(body["start"]), read_moment(body["end"]), least, most, body["seed"]
    )
    world.storage.backlogs = (*world.storage.backlogs, backlog)
    return {}


def _hide_properties(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.hidden_properties = tuple(body["names"])
    return {}


def _native_json(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.has_native_json = bool(body["on"])
    return {}


def _squash(world: World, _: dict[str, Any]) -> dict[str, Any]:
    return {"overrides": world.people.squash()}


def _delete_events(world: World, body: dict[str, Any]) -> dict[str, Any]:
    deletion = Deletion(
        uuids=body.get("uuids"),
        person_id=body.get("person_id"),
        distinct_id=body.get("distinct_id"),
        before=read_moment(body["before"]) if body.get("before") else None,
        share_now=float(body["share_now"]),
        after=timedelta(seconds=body["after_seconds"]),
        a_month=timedelta(seconds=body["month_seconds"]),
        seed=body["seed"],
    )
    return {"rows": delete(world.storage, deletion, world.clock.now())}


def _scopes(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.access.scopes = tuple(body["scopes"])
    return {}


def _property_types(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.property_types |= body["types"]
    return {}


def _rename(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.people.rename(body["distinct_id"], body["person_id"])
    return {}


def _merge(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.people.merge(body["kept"], body["merged"])
    world.people.store_properties()
    return {}


def _cohort_calculation(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.cohorts.calculation_seconds = float(body["seconds"])
    world.cohorts.failures_left = int(body["failures"])
    return {}


def _add_destination(world: World, body: dict[str, Any]) -> dict[str, Any]:
    events = body.pop("events", None)
    wanted = None if events is None else frozenset(events)
    return {"id": world.destinations.add(Destination(Address(**body), wanted))}


def _deliveries(world: World, body: dict[str, Any]) -> dict[str, Any]:
    return world.destinations.get(body["id"]).public()


def _export(world: World, body: dict[str, Any]) -> dict[str, Any]:
    keys = export_spans(
        world.storage,
        export_of(body, team_id=world.context(in_utc=True).team_id),
        read_moment(body["start"]) if body["start"] else None,
        read_moment(body["end"]),
        now=world.clock.now(),
        is_backfill=bool(body["is_backfill"]),
        dies_after=body["dies_after"],
    )
    return {"keys": keys}


def _add_export(world: World, body: dict[str, Any]) -> dict[str, Any]:
    export = export_of(body, team_id=world.context(in_utc=True).team_id)
    world.batch_exports.add(export, world.clock.now())
    return {}


def _run_exports(world: World, _: dict[str, Any]) -> dict[str, Any]:
    return {"keys": world.batch_exports.run_due(world.storage, world.clock.now())}


async def _test_destination(request: Request) -> Response:
    """The only lever that waits for somebody else, so it is pulled in the loop."""
    world: World = request.app.state.world
    asked = await request.json()
    try:
        body = made_up(world, asked["event"], asked["properties"])
        delivery = await world.destinations.test(asked["id"], body)
    except (KeyError, TypeError, ValueError) as error:
        return PlainTextResponse(f"{type(error).__name__}: {error}", 400)
    return JSONResponse(asdict(delivery))


def _downloads(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.downloads.rules = replace(DownloadRules(), **body)
    return {}


def _download_outcomes(world: World, body: dict[str, Any]) -> dict[str, Any]:
    error = body.get("error")
    world.downloads.outcomes.extend(Outcome(status, error) for status in body["statuses"])
    return {}


def _download_runs(world: World, _: dict[str, Any]) -> dict[str, Any]:
    return {"runs": [run.public() for run in world.downloads.runs.values()]}


def _forget_download(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.downloads.forget(body["id"])
    return {}


def _store_fault(world: World, body: dict[str, Any]) -> dict[str, Any]:
    common = {key: body.pop(key) for key in ("kind", "times", "after") if key in body}
    world.downloads.store.faults.append(StoreFault(**common, options=body))
    return {}


def _clear_store_faults(world: World, _: dict[str, Any]) -> dict[str, Any]:
    world.downloads.store.faults.clear()
    return {}


def _store_requests(world: World, _: dict[str, Any]) -> dict[str, Any]:
    return {"requests": world.downloads.store.seen()}


def _requests(world: World, _: dict[str, Any]) -> dict[str, Any]:
    return {"requests": [entry.public() for entry in list(world.log.entries)]}


def _clear_requests(world: World, _: dict[str, Any]) -> dict[str, Any]:
    world.log.clear()
    return {}


def _stats(world: World, _: dict[str, Any]) -> dict[str, Any]:
    seen_now = visible(world.clock.now())
    ((rows, seen, distinct),) = world.storage.values(
        f"SELECT count(), countIf({seen_now}), uniqExact(uuid) FROM sandbox.events"
    )
    grouped = f"SELECT {{}} AS key, count() FROM sandbox.events WHERE {seen_now} GROUP BY key ORDER BY key"
    by_event = world.storage.values(grouped.format("event"))
    by_day = world.storage.values(grouped.format("toString(toDate(timestamp))"))
    return {
        "rows": rows,
        "visible": seen,
        "distinct": distinct,
        "by_event": dict(by_event),
        "by_day": dict(by_day),
    }


def _route(path: str, lever: Lever, method: str, *, in_thread: bool = True) -> Route:
    async def pull(request: Request) -> Response:
        world: World = request.app.state.world
        body = await request.body()
        try:
            asked = json.loads(body) if body else {}
            if in_thread:
                return JSONResponse(await asyncio.to_thread(lever, world, asked))
            return JSONResponse(lever(world, asked))
        except (KeyError, TypeError, ValueError) as error:
            return PlainTextResponse(f"{type(error).__name__}: {error}", 400)

    return Route(f"/_sandbox/{path}", pull, methods=[method])


def control_routes() -> list[Route]:
    """All levers. What counts queries is pulled in the event loop, which owns it."""
    return [
        _route("reset", _reset, "POST", in_thread=False),
        _route("insert", _insert, "POST"),
        _route("generate", _generate, "POST"),
        _route("truth", _truth, "GET"),
        _route("clock", _clock, "POST"),
        _route("faults", _fault, "POST"),
        _route("faults/clear", _clear_faults, "POST"),
        _route("limits", _limits, "POST", in_thread=False),
        _route("row_cost", _row_cost, "POST"),
        _route("slow_windows", _slow_windows, "POST"),
        _route("ingest_delay", _ingest_delay, "POST"),
        _route("lagging_replica", _lag, "POST"),
        _route("retention", _retention, "POST"),
        _route("backlog", _backlog, "POST"),
        _route("hide_properties", _hide_properties, "POST"),
        _route("native_json", _native_json, "POST"),
        _route("squash", _squash, "POST"),
        _route("events/delete", _delete_events, "POST"),
        _route("scopes", _scopes, "POST"),
        _route("property_types", _property_types, "POST"),
        _route("persons/rename", _rename, "POST"),
        _route("persons/merge", _merge, "POST"),
        _route("cohorts/calculation", _cohort_calculation, "POST"),
        _route("destinations", _add_destination, "POST", in_thread=False),
        _route("destinations/deliveries", _deliveries, "POST", in_thread=False),
        Route("/_sandbox/destinations/test", _test_destination, methods=["POST"]),
        _route("exports/run", _export, "POST"),
        _route("exports/add", _add_export, "POST"),
        _route("exports/due", _run_exports, "POST"),
        _route("downloads", _downloads, "POST", in_thread=False),
        _route("downloads/outcomes", _download_outcomes, "POST", in_thread=False),
        _route("downloads/runs", _download_runs, "GET", in_thread=False),
        _route("downloads/forget", _forget_download, "POST", in_thread=False),
        _route("store/faults", _store_fault, "POST", in_thread=False),
        _route("store/faults/clear", _clear_store_faults, "POST", in_thread=False),
        _route("store/requests", _store_requests, "GET", in_thread=False),
        _route("requests", _requests, "GET"),
        _route("requests/clear", _clear_requests, "POST"),
        _route("stats", _stats, "GET"),
    ]
