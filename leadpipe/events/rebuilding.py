"""What stored events mean, again: the first part of a rebuild, before the marts that read it."""

from collections.abc import Mapping
from datetime import UTC, datetime

import duckdb

from leadpipe.events.connecting import event_mapping
from leadpipe.events.mapping.retyping import retype_all
from leadpipe.events.mapping.versions import adopt
from leadpipe.events.settings import EventsSettings
from leadpipe.settings import Settings


def rebuild(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, is_rescored: bool
) -> Mapping[str, int]:
    """Type all stored events by the mapping of today, whatever typed them before; see `retype_all`."""
    del is_rescored
    mapping = event_mapping(settings.of(EventsSettings))
    adopt(connection, mapping, now=datetime.now(UTC))
    return {"events": retype_all(connection, mapping).events}
