"""What the page shows of the published tables: syncs, and a list of panels, each with its template.

A panel is a function from the tables to what its template shows, or to None while there is nothing to
show. To add one, append it to `_PANELS` and put its template in `pages/panels/`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from leadpipe.errors import NotPublished
from leadpipe.published import reading
from leadpipe.published.reading import Ask
from leadpipe.settings import Settings
from leadpipe.web import panels

Query = Callable[..., list[dict[str, Any]]]
_Found = TypeVar("_Found")
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
    """Read it from one publication; a table that is not published yet is as good as an empty one."""

    def read(query: Query) -> Overview:
        shown = [(template, panel(query, now)) for template, panel in _PANELS]
        return Overview(
            syncs=_syncs(query),
            panels=[Panel(template, content) for template, content in shown if content],
        )

    return _read(settings, read)


def read_syncs(settings: Settings) -> dict[str, Any]:
    """How many visitor syncs succeeded and failed, and the last one."""
    return _read(settings, _syncs)


def _syncs(query: Query) -> dict[str, Any]:
    rows = query("SELECT * FROM visitor_syncs ORDER BY started_at DESC, run_id")
    return {
        "succeeded": sum(row["status"] == "succeeded" for row in rows),
        "failed": sum(row["status"] == "failed" for row in rows),
        "last": rows[0] if rows else None,
    }


def _read(settings: Settings, read: Callable[[Query], _Found]) -> _Found:
    """Read from one publication; nothing published yet is the same as all tables empty."""
    try:
        return reading.read_together(settings.published_dir, lambda ask: read(partial(_query, ask)))
    except NotPublished:
        return read(lambda *_: [])


def _query(
    ask: Ask, sql: str, parameters: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    try:
        return ask(sql, parameters).as_dicts()
    except NotPublished:
        return []
