"""What PostHog's webhooks say: the default body of an event; and what live traffic brings.

Belongs here: bodies, and finding what was stored ahead when its time comes. Does not belong here: sending
(`webhook_sender.py`), and to whom (`destinations.py`).
"""

import asyncio
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from posthog_sandbox.hogql_literals import instant
from posthog_sandbox.webhook_sender import Address
from posthog_sandbox.world import World

_LOOK_SECONDS = 0.5
_LOOK_BACK = timedelta(seconds=20)
_MOST_AT_ONCE = 200
_EVENT = "$pageview"


def offer(world: World, rows: Sequence[Mapping[str, Any]]) -> None:
    """Let rows that were just stored be sent to the destinations there are."""
    if not world.destinations.is_empty:
        world.destinations.offer([body_of(world, row) for row in rows])


def made_up(world: World, event: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a test button's event: a uuid that no stored event has, of a person that nobody is."""
    now = world.clock.now()
    return body_of(
        world,
        {
            "uuid": str(uuid.uuid4()),
            "event": event,
            "properties": json.dumps(properties),
            "distinct_id": str(uuid.uuid4()),
            "person_id": str(uuid.uuid4()),
            "timestamp": now,
            "created_at": now,
        },
    )


def body_of(world: World, row: Mapping[str, Any]) -> dict[str, Any]:
    """The default body of a stored row; `person` is null for an event without a person's profile."""
    project = f"http://127.0.0.1/project/{world.access.project_id}"
    moment = _iso(row["timestamp"])
    try:
        properties = json.loads(row["properties"])
    except ValueError:  # stored verbatim by a test
        properties = {}
    has_person = (
        not isinstance(properties, dict) or properties.get("$process_person_profile") is not False
    )
    person_properties = world.people.properties_of(row["person_id"]) if has_person else {}
    name = person_properties.get("email") or person_properties.get("name") or row["distinct_id"]
    return {
        "event": {
            "uuid": row["uuid"],
            "event": row["event"],
            "elements_chain": "",
            "distinct_id": row["distinct_id"],
            "properties": properties,
            "timestamp": moment,
            "captured_at": _iso(row["created_at"]),
            "url": f"{project}/events/{row['uuid']}/{moment}",
        },
        "person": {
            "id": row["person_id"],
            "properties": person_properties,
            "name": name,
            "url": f"{project}/person/{row['distinct_id']}",
        }
        if has_person
        else None,
    }


async def post_live(world: World, url: str) -> None:
    """Send each page view when its time comes, also those stored ahead, from now on, until cancelled."""
    start = world.clock.now()
    posted: dict[tuple[str, datetime], datetime] = {}
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        until = world.clock.now()
        since = max(start, until - _LOOK_BACK)  # a row may be stored after its own created_at
        for row in await asyncio.to_thread(_ingested, world, since, until):
            delivery = (row["uuid"], row["created_at"])
            if delivery not in posted:
                posted[delivery] = until
                world.destinations.start(Address(url), await asyncio.to_thread(body_of, world, row))
        posted = {each: at for each, at in posted.items() if at >= until - 2 * _LOOK_BACK}


def _ingested(world: World, since: datetime, until: datetime) -> list[dict[str, Any]]:
    columns = ("uuid", "event", "distinct_id", "person_id", "properties", "timestamp", "created_at")
    rows = world.storage.values(
        "SELECT toString(uuid), event, distinct_id, toString(ifNull(joinGetOrNull("
        "'sandbox.overrides', 'person_id', distinct_id), stored_person_id)), properties, "
        "toUnixTimestamp64Milli(timestamp), toUnixTimestamp64Milli(created_at) FROM sandbox.events "
        f"WHERE event = '{_EVENT}' AND created_at > {instant(since)} AND created_at <= {instant(until)} "
        f"ORDER BY created_at LIMIT {_MOST_AT_ONCE}"
    )
    return [
        {
            **dict(zip(columns[:5], row[:5], strict=True)),
            "timestamp": datetime.fromtimestamp(row[5] / 1000, UTC),
            "created_at": datetime.fromtimestamp(row[6] / 1000, UTC),
        }
        for row in rows
    ]


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
