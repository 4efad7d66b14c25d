"""Events typed by a mapping: one SELECT from rows as they came, or as they are stored."""

from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.typing_sql import mapped_events
from leadpipe.warehouse import read_sql

TYPED_COLUMNS = (
    "listing_id",
    "seeker_id",
    "lister_id",
    "lister_type",
    "context_type",
    "lead_type",
    "is_logged_in",
    "viewed_from",
    "platform",
    "save_action",
    "price",
    "rejected_reason",
    "meaning",
    "mapped_properties",
)
"""The columns of `raw_events` that a mapping decides; all others are as PostHog sent them."""


def typed_wire_rows(mapping: EventMapping) -> str:
    """A SELECT that types the rows of the relation `wire_rows`; its columns are in `typed_events.sql`."""
    return typed(mapping, f"({read_sql('events', 'wire_events.sql')})")


def typed_stored_rows(mapping: EventMapping, condition: str) -> str:
    """A SELECT that types rows of `raw_events` anew, from the properties that are stored."""
    return typed(
        mapping,
        "(SELECT uuid, event, timestamp, created_at, distinct_id, person_id, properties, "
        f"CAST(NULL AS VARCHAR[]) AS fields FROM raw_events WHERE {condition})",
    )


def typed(mapping: EventMapping, rows: str) -> str:
    """A SELECT that types rows with the columns that `wire_events.sql` gives.

    Args:
        mapping: what the events mean.
        rows: what to select from.
    """
    return (
        f"WITH mapped_events AS ({mapped_events(mapping, rows)})\n"
        f"SELECT * FROM ({read_sql('events', 'typed_events.sql')}\n)"
    )
