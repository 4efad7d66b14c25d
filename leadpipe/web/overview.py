"""What the page shows, read from the published tables: syncs, weeks, leads per day, top listings."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from leadpipe.settings import Settings
from leadpipe.web.probe import sync_counts


@dataclass(frozen=True)
class Overview:
    """One look at the published tables."""

    syncs: dict[str, Any] = field(default_factory=dict)


def read_overview(settings: Settings, now: datetime) -> Overview:
    """Read it; empty where nothing is published yet."""
    del now
    return Overview(syncs=sync_counts(settings))
