"""Where events come from: how to read the project, and which project a warehouse belongs to."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import duckdb

from leadpipe.errors import ConfigurationError
from leadpipe.events.extraction import Selection
from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.reading import built_in
from leadpipe.posthog import PostHog


@dataclass(frozen=True)
class SyncConfig:
    """How to read; see the settings of the same names for units and consequences."""

    selection: Selection
    landing: Path
    settle: timedelta = timedelta(minutes=2)
    overlap: timedelta = timedelta(hours=1)
    workers: int = 3
    most_gone: float = 0.5
    mapping: EventMapping = field(default_factory=built_in)


def claim_source(connection: duckdb.DuckDBPyConnection, posthog: PostHog) -> None:
    """Note which project fills the warehouse; it holds one, for good.

    Raises:
        ConfigurationError: it was filled from another project or host.
    """
    known = connection.execute("SELECT host, project_id FROM sources").fetchone()
    if known is None:
        connection.execute("INSERT INTO sources VALUES (?, ?)", [posthog.host, posthog.project_id])
    elif known != (posthog.host, posthog.project_id):
        raise ConfigurationError(
            f"This warehouse holds project {known[1]} of {known[0]}, but POSTHOG_PROJECT_ID and "
            f"POSTHOG_BASE_URL name project {posthog.project_id} of {posthog.host}. Set "
            "LEADPIPE_DATA_DIR to another folder, or remove this one (`make clean`) if it was a trial."
        )
