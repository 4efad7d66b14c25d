"""Whether PostHog still shows the properties that it showed when events were read.

Its access control hides properties from a key's user without a word, and no count tells. What is stored is
never lowered by it: of copies received at one moment the one that says more is the event.
"""

import json
from datetime import datetime, timedelta
from typing import Any

import duckdb

from leadpipe.events.windows import start_of
from leadpipe.posthog import PostHog, utc_text
from leadpipe.warehouse import read_sql

_LOOKED_BACK = timedelta(days=30)
_SAMPLE = 100
_DAY = timedelta(days=1)


def hidden_properties(
    posthog: PostHog, connection: duckdb.DuckDBPyConnection, *, now: datetime
) -> dict[str, int]:
    """Properties that some events of the last 30 days have here, and none of these events in PostHog.

    Args:
        posthog: asked once, and not where nothing is stored of these days.
        connection: the warehouse.
        now: when (UTC).

    Returns:
        By the property's name, in how many events of a sample. PostHog's own (`$…`) come and go, and do
        not count.

    Raises:
        PostHogError.
    """
    stored = connection.execute(
        f"""
        SELECT CAST(uuid AS VARCHAR), event_date, properties FROM raw_events
        WHERE event_date >= $first AND created_at IS NOT NULL AND json_valid(properties)
        ORDER BY hash(uuid) LIMIT {_SAMPLE}
        """,
        {"first": (now - _LOOKED_BACK).date()},
    ).fetchall()
    if not stored:
        return {}
    days = [day for _, day, _ in stored]
    rows = posthog.query(
        read_sql("events", "some_events.hogql"),
        values={
            "uuids": [uuid for uuid, *_ in stored],
            "window_start": utc_text(start_of(min(days))),
            "window_end": utc_text(start_of(max(days) + _DAY)),
        },
        name="leadpipe: properties shown",
    ).decoded()
    shown: dict[str, set[str]] = {}
    for uuid, text in rows:
        shown.setdefault(str(uuid), set()).update(_names(str(text)))
    hidden: dict[str, int] = {}
    seen: set[str] = set()
    for uuid, _, text in stored:
        if uuid in shown:
            names = _names(text)
            seen |= names & shown[uuid]
            for name in names - shown[uuid]:
                hidden[name] = hidden.get(name, 0) + 1
    return {name: count for name, count in sorted(hidden.items()) if name not in seen}


def _names(text: str) -> set[str]:
    """The names of properties that say something."""
    try:
        properties: Any = json.loads(text)
    except ValueError:
        return set()
    if not isinstance(properties, dict):
        return set()
    return {
        name
        for name, value in properties.items()
        if not name.startswith("$") and value not in (None, "", [], {})
    }
