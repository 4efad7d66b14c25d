"""Persons as PostHog's lists show them.

Belongs here: selecting persons and their shape in JSON. Does not belong here: who is who
(`people.py`), and the endpoints (`person_api.py`, `cohort_api.py`).
"""

import json
from typing import Any

from posthog_sandbox.hogql_sources import persons_sql
from posthog_sandbox.world import World


def list_persons(
    world: World,
    condition: str,
    *,
    limit: int,
    offset: int,
    most_distinct_ids: int | None = None,
) -> list[dict[str, Any]]:
    """Persons who meet a ClickHouse condition on `id`, `properties` and `distinct_ids`."""
    context = world.context(in_utc=True)
    found = world.storage.values(
        "SELECT toString(id), formatDateTime(created_at, '%Y-%m-%dT%H:%i:%S.%fZ', 'UTC'), "
        "properties, is_identified, distinct_ids "
        f"FROM {persons_sql(context)} AS found WHERE {condition} "
        f"ORDER BY found.created_at DESC, id LIMIT {limit} OFFSET {offset}"
    )
    return [_shown(row, most_distinct_ids) for row in found]


def _shown(row: list[Any], most_distinct_ids: int | None) -> dict[str, Any]:
    person_id, created_at, properties, is_identified, distinct_ids = row
    known = json.loads(properties or "{}")
    return {
        "type": "person",
        "id": person_id,
        "uuid": person_id,
        "name": known.get("email") or known.get("name") or distinct_ids[0],
        "distinct_ids": distinct_ids[:most_distinct_ids],
        "properties": known,
        "created_at": created_at,
        "is_identified": bool(is_identified),
    }
