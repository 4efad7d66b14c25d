"""What a domain may bring to the web application: its `pages.py` has one `PAGES`.

How the frame lays it out is the business of `page.py`, `overview.py` and `status.py`.
"""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar

from starlette.routing import BaseRoute

from leadpipe.settings import Settings
from leadpipe.web.state import Web

_MadeT = TypeVar("_MadeT")
Query = Callable[..., list[dict[str, Any]]]
"""Rows of the published tables as dicts; a table that is not published yet has none."""


@dataclass(frozen=True)
class Look:
    """One look at everything: what panels are made of.

    Args:
        query: asks the published tables, of one publication.
        web: what the application holds.
        now: when (UTC).
        keeps: gives again what was made of the same publication, by a key.
    """

    query: Query
    web: Web
    now: datetime
    keeps: Callable[[Hashable, Callable[[], Any]], Any] | None = None

    def made(self, key: Hashable, make: Callable[[], _MadeT]) -> _MadeT:
        """What `make` gives, made once a publication and key where that is kept: charts, sums.

        Args:
            key: a name of its own, and all that it depends on beside the publication, as the day.
            make: makes it.
        """
        if self.keeps is None:
            return make()
        found: _MadeT = self.keeps(key, make)
        return found


@dataclass(frozen=True)
class Panel:
    """A part of the page.

    Args:
        place: beside the buttons (`hero`), among the facts, below them (`notice`), or as a section.
        template: in the domain's `templates/`, as `domain/name.html`; it shows `panel`.
        content: what it shows, or None while there is nothing to show; runs in a thread.
    """

    place: Literal["hero", "facts", "notice", "section"]
    template: str
    content: Callable[[Look], Mapping[str, Any] | None]


@dataclass(frozen=True)
class NavItem:
    """A page that every page leads to.

    Args:
        label: in people's words.
        path: of the page; pages below it belong to it.
        place: its order, the least first.
    """

    label: str
    path: str
    place: int


@dataclass(frozen=True)
class Detail:
    """What a domain knows about a thing of another domain, as a part of that thing's page.

    Args:
        subject: what kind of thing (`lead`).
        template: in the domain's `templates/`, as `domain/name.html`; it shows `panel`.
        content: what it shows about a thing, or None for nothing: of the look, the thing's columns that name
            it (`lead_id`, `listing_id`, `seeker_id`), and whether personal data is to be shown in full; runs
            in a thread. What it gives has `can_reveal` where there is personal data to show.
    """

    subject: str
    template: str
    content: Callable[[Look, Mapping[str, Any], bool], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Sync:
    """A job that people start on the page, and an external cron over HTTP.

    Args:
        job: Dagster's name of it.
        name: what is synced, in people's words (`Visitors`).
        label: of its button.
        purpose: what the button is for, in one sentence.
        cron: the path below `/api/cron/` that starts it, answers with its result and takes `methods`.
        methods: of that path.
        start: starts it, or finds what is under way; the runs' ids.
        result: what runs of it did, from the published tables; empty while they have left nothing.
        shown: those parts of the result that the page shows, each with people's words for it.
    """

    job: str
    name: str
    label: str
    purpose: str
    cron: str
    methods: Sequence[str]
    start: Callable[[Web], Awaitable[Sequence[str]]]
    result: Callable[[Settings, Sequence[str]], Mapping[str, Any]]
    shown: Mapping[str, str]


@dataclass(frozen=True)
class Pages:
    """Everything a domain brings to the web application.

    Args:
        routes: its paths.
        nav: its pages that every page leads to.
        details: its parts of the pages of other domains' things.
        panels: its parts of the page.
        syncs: what can be started there.
        script: a JavaScript file of its `templates/` folder that the page loads, as `domain/name.js`.
        page_scripts: further ones, which its own pages load.
        first_step: what to do while there is nothing to see yet; HTML.
        check: looks at the settings before the application starts; raises `ConfigurationError`.
        running: entered while the application runs, to hold what its routes share (`web.hold`).
        state: what it adds to `GET /api/sync`; runs in a thread.
        needs: what it cannot work without, by the name that `GET /readyz` says: each raises where it is
            missing; runs in a thread.
    """

    routes: Sequence[BaseRoute] = ()
    nav: Sequence[NavItem] = ()
    details: Sequence[Detail] = ()
    panels: Sequence[Panel] = ()
    syncs: Sequence[Sync] = ()
    script: str | None = None
    page_scripts: Sequence[str] = ()
    first_step: str | None = None
    check: Callable[[Settings, datetime], None] | None = None
    running: Callable[[Web], AbstractAsyncContextManager[None]] | None = None
    state: Callable[[Web], Mapping[str, Any]] | None = None
    needs: Mapping[str, Callable[[Web], object]] = field(default_factory=dict)
