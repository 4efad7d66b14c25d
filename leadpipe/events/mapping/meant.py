"""What events mean that are in no table yet: those that wait, and those asked of PostHog alone.

By the same SQL as in the warehouse, so that no event means two things.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.typing_sql import mapped_events
from leadpipe.warehouse import memory


@dataclass(frozen=True)
class Meant:
    """What an event means, if anything, and its properties (JSON text), those under our names in place."""

    meaning: str | None
    properties: str | None


def meant(mapping: EventMapping, events: Sequence[tuple[str, str | None]]) -> list[Meant]:
    """What events mean under a mapping, in their order.

    Args:
        mapping: which.
        events: names and properties (JSON text).
    """
    if not events:
        return []
    names, properties = zip(*events, strict=True)
    with memory() as connection:
        connection.execute(
            "CREATE TABLE given AS SELECT unnest($names::VARCHAR[]) AS event, "
            "unnest($properties::VARCHAR[]) AS properties, unnest(range(len($names))) AS place",
            {"names": list(names), "properties": list(properties)},
        )
        rows = connection.execute(
            "SELECT meaning, coalesce(mapped_properties, properties) "
            f"FROM ({mapped_events(mapping.only(names), 'given')}) ORDER BY place"
        ).fetchall()
    return [Meant(*row) for row in rows]
