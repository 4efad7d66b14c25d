"""What the page shows below its buttons: the panels that the domains bring, from one look."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from leadpipe.errors import NotPublished
from leadpipe.published import reading
from leadpipe.published.reading import Ask
from leadpipe.settings import Settings
from leadpipe.web.parts import Look, Query
from leadpipe.web.publications import PagePublication
from leadpipe.web.state import Web

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Shown:
    """A panel that has something to show: its template and what that shows."""

    template: str
    content: Mapping[str, Any]


def read_panels(web: Web, places: Sequence[str]) -> dict[str, list[Shown]]:
    """The panels of some places, by place, read from one publication."""
    found: dict[str, list[Shown]] = {place: [] for place in places}
    with looking(web) as look:
        for panel in (panel for pages in web.pages for panel in pages.panels):
            if panel.place in found and (content := panel.content(look)) is not None:
                found[panel.place].append(Shown(panel.template, content))
    return found


@contextmanager
def looking(web: Web) -> Iterator[Look]:
    """A look at the current publication, on a connection that is kept; one at a time."""
    pages = web.held(PagePublication)
    with pages.reading() as ask:
        query: Query = (lambda *_: []) if ask is None else query_of(ask)
        yield Look(query, web, web.clock(), pages.made)


def read_published(settings: Settings, read: Callable[[Query], _Found]) -> _Found:
    """Read from one publication; nothing published yet is the same as all tables empty."""
    try:
        return reading.read_together(settings.published_dir, lambda ask: read(query_of(ask)))
    except NotPublished:
        return read(lambda *_: [])


def query_of(ask: Ask) -> Query:
    """Questions to a publication as panels ask them: dicts, and none of what is not published yet."""
    return partial(_query, ask)


def _query(
    ask: Ask, sql: str, parameters: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    try:
        return ask(sql, parameters).as_dicts()
    except NotPublished:
        return []
