"""What the page shows of the published tables: syncs, and a list of panels, each with its template.

A panel is a function from the tables to what its template shows, or to None while there is nothing to
show. To add one, append it to `_PANELS` and put its template in `pages/panels/`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from leadpipe.errors import NotPublished
from leadpipe.published import reading
from leadpipe.settings import Settings
from leadpipe.web import panels
from leadpipe.web.probe import sync_counts

Query = Callable[..., list[dict[str, Any]]]
_PANELS: tuple[tuple[str, Callable[[Query, datetime], Mapping[str, Any] | None]], ...] = (
    ("weeks.html", panels.weeks),
    ("leads.html", panels.leads_by_day),
    ("listings.html", panels.top_listings),
    ("deliveries.html", panels.deliveries),
    ("draws.html", panels.latest_draws),
)


@dataclass(frozen=True)
class Panel:
    """A part of the page: the template in `pages/panels/`, and what it shows."""

    template: str
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Overview:
    """One look at the published tables."""

    syncs: dict[str, Any] = field(default_factory=dict)
    panels: Sequence[Panel] = ()


def read_overview(settings: Settings, now: datetime) -> Overview:
    """Read it; a table that is not published yet is as good as an empty one."""
    query = partial(_query, settings)
    shown = [(template, read(query, now)) for template, read in _PANELS]
    return Overview(
        syncs=sync_counts(settings),
        panels=[Panel(template, content) for template, content in shown if content],
    )


def _query(
    settings: Settings, sql: str, parameters: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    try:
        return reading.query(settings.published_dir, sql, parameters or {}).as_dicts()
    except NotPublished:
        return []
