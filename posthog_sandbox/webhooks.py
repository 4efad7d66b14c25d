"""PostHog's HTTP webhook destination: every ingested page view is posted to an address.

Belongs here: the body, the attempts. Does not belong here: which events there are (`live.py`, `capture.py`).
As PostHog does it: at least once, three attempts of three seconds, then the event is lost to the webhook.
"""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from posthog_sandbox.hogql_literals import instant
from posthog_sandbox.world import World

_LOOK_SECONDS = 0.5
_LOOK_BACK = timedelta(seconds=20)
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 3.0
_MOST_AT_ONCE = 200
_EVENT = "$pageview"


async def post_webhooks(world: World, url: str) -> None:
    """Post each page view as it is ingested, from now on, until cancelled."""
    start = world.clock.now()
    posted: dict[tuple[str, str], datetime] = {}
    async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            until = world.clock.now()
            since = max(start, until - _LOOK_BACK)  # a row may be stored after its own created_at
            for body in await asyncio.to_thread(_ingested, world, since, until):
                delivery = (body["event"]["uuid"], body["event"]["captured_at"])
                if delivery not in posted:
                    posted[delivery] = until
                    await _post(client, url, body)
            posted = {each: at for each, at in posted.items() if at >= until - 2 * _LOOK_BACK}


def _ingested(world: World, since: datetime, until: datetime) -> list[dict[str, Any]]:
    rows = world.storage.values(
        "SELECT toString(uuid), event, distinct_id, toString(ifNull(joinGetOrNull("
        "'sandbox.overrides', 'person_id', distinct_id), stored_person_id)), properties, "
        "toUnixTimestamp64Milli(timestamp), toUnixTimestamp64Milli(created_at) FROM sandbox.events "
        f"WHERE event = '{_EVENT}' AND created_at > {instant(since)} AND created_at <= {instant(until)} "
        f"ORDER BY created_at LIMIT {_MOST_AT_ONCE}"
    )
    return [_body(world, row) for row in rows]


def _body(world: World, row: Sequence[Any]) -> dict[str, Any]:
    uuid, event, distinct_id, person_id, properties, timestamp, created_at = row
    moment = _iso(timestamp)
    return {
        "event": {
            "uuid": uuid,
            "event": event,
            "elements_chain": "",
            "distinct_id": distinct_id,
            "properties": json.loads(properties),
            "timestamp": moment,
            "captured_at": _iso(created_at),
            "url": f"http://127.0.0.1/project/{world.access.project_id}/events/{uuid}/{moment}",
        },
        "person": {"id": person_id, "properties": {}},
    }


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _post(client: httpx.AsyncClient, url: str, body: dict[str, Any]) -> None:
    for _ in range(_ATTEMPTS):
        try:
            answer = await client.post(url, json=body)
        except httpx.HTTPError:
            continue
        if answer.is_success:
            return
