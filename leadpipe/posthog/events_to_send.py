"""Events to send: their ids, and what PostHog or its SDK would drop or change in silence.

Belongs here: everything about an event that can be said before it is sent. Does not belong here:
sending (`capture.py`), and which events.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from leadpipe.errors import EventRefused
from leadpipe.posthog.literals import NAME_LIMIT

LARGEST_EVENT_BYTES = 850 * 1024
"""The SDK drops events above 900 KiB, its own additions included."""

LONGEST_DISTINCT_ID = 200
"""Characters; PostHog cuts longer ones, which makes two persons one."""

# PostHog takes these for mistakes of the sender's code.
_DROPPED_IDS = frozenset(
    (
        *("anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email"),
        *("undefined", "true", "false", "none", "null", "nan", "0", "[object object]"),
        "00000000-0000-0000-0000-000000000000",
    )
)
_NAMESPACE = UUID("5f0b6f0e-6a3c-5d0f-9f0e-7d1f6b2a4c11")
_FARTHEST_FUTURE = timedelta(hours=23)


def event_uuid(*parts: str) -> str:
    """The id of an event that those parts determine: the same parts, the same UUIDv5.

    >>> event_uuid("draw_winner", "2026-11-21", "1")
    '0674d95e-8755-59ed-ad41-1119dd1fa65f'
    """
    return str(uuid5(_NAMESPACE, json.dumps(parts, separators=(",", ":"))))


@dataclass(frozen=True)
class Event:
    """An event to send.

    Attributes:
        uuid: valid and fixed, see `event_uuid`.
        event: its name.
        distinct_id: whose it is; personal data, in no repr.
        timestamp: aware, and as fixed as the uuid.
        properties: plain JSON; `$set`, `$set_once` and `$unset` in it change the person. In no repr.
    """

    uuid: str
    event: str
    distinct_id: str = field(repr=False)
    timestamp: datetime
    properties: Mapping[str, Any] = field(default_factory=dict, repr=False)


def set_event(
    uuid: str,
    distinct_id: str,
    timestamp: datetime,
    *,
    set_always: Mapping[str, Any] | None = None,
    set_once: Mapping[str, Any] | None = None,
    unset: Sequence[str] = (),
) -> Event:
    """A `$set` event: gives a person properties, making the person if there is none."""
    changes = {"$set": set_always, "$set_once": set_once, "$unset": list(unset)}
    properties = {key: value for key, value in changes.items() if value}
    return Event(uuid, "$set", distinct_id, timestamp, properties)


def check_event(event: Event, *, now: datetime) -> None:
    """Raise `EventRefused` for what would be dropped or changed on its way."""
    name = f"Event {event.uuid[:40]!a} ({event.event[:NAME_LIMIT]!a})"
    problem = None
    try:
        size = len(json.dumps(event.properties, allow_nan=False).encode())
    except (TypeError, ValueError):  # the original may show the value
        raise EventRefused(
            f"{name} is not sent: its properties are not plain JSON. Use texts, finite numbers, "
            "booleans, null, lists and mappings of those."
        ) from None
    if not _is_canonical(event.uuid):
        problem = "its uuid is none, and the SDK would make up another. Use event_uuid(…)"
    elif not 1 <= len(event.event) <= NAME_LIMIT:
        problem = f"its name must have 1 to {NAME_LIMIT} characters"
    elif not 1 <= len(event.distinct_id.strip()) <= LONGEST_DISTINCT_ID:
        problem = f"its distinct id must have 1 to {LONGEST_DISTINCT_ID} characters"
    elif event.distinct_id.strip().lower() in _DROPPED_IDS:
        problem = "PostHog drops events of that distinct id, which stands for a mistake"
    elif event.timestamp.utcoffset() is None:
        problem = "its timestamp has no time zone"
    elif event.timestamp > now + _FARTHEST_FUTURE:
        problem = (
            f"its timestamp {event.timestamp.isoformat()} is in the future; PostHog would use now"
        )
    elif size > LARGEST_EVENT_BYTES:
        problem = f"it has {size:,} bytes; above {LARGEST_EVENT_BYTES:,} the SDK drops it"
    if problem:
        raise EventRefused(f"{name} is not sent: {problem}.")


def _is_canonical(uuid: str) -> bool:
    try:
        return str(UUID(uuid)) == uuid
    except ValueError:
        return False
