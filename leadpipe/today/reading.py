"""Gather what the domains say of today, from one publication."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from leadpipe.domains import HasToday, parts
from leadpipe.errors import NotPublished
from leadpipe.published.kept import KeptPublication
from leadpipe.published.reading import Ask
from leadpipe.settings import Settings
from leadpipe.today.parts import Line, Look, Query, Section, Today

_MOST_KEPT = 20


class TodayDesk:
    """Reads today again and again from a connection that stays open; from any thread.

    Args:
        folder: of the publications.
    """

    def __init__(self, folder: Path) -> None:
        self._made: dict[Hashable, Any] = {}
        self._publication = KeptPublication(folder, lambda _: self._made.clear())

    def close(self) -> None:
        """Give back what it holds."""
        self._publication.close()

    def read(
        self,
        settings: Settings,
        *,
        now: datetime,
        held: Callable[[type[Any]], Any] = lambda _: None,
        marks: Mapping[str, str] | None = None,
        looked_at: datetime | None = None,
    ) -> Today:
        """What is said at a moment.

        Args:
            settings: all sections.
            now: the moment (UTC).
            held: the object of a type that the program holds, None if it holds none.
            marks: `Today.marks` of the person's look before.
            looked_at: when that was (UTC).
        """
        sections: list[Section] = []
        lines: list[Line] = []
        found: dict[str, str] = {}
        with self._asking() as (query, is_published):
            for domain, part in parts(HasToday):
                mark = (marks or {}).get(domain)
                for each in part.today(
                    Look(query, settings, now, mark, looked_at, held, self._keep)
                ):
                    if isinstance(each, Line):
                        lines.append(each)
                        continue
                    sections.append(each)
                    if each.mark is not None:
                        found[domain] = each.mark
        return Today(
            now,
            settings.alert_timezone,
            tuple(sorted(sections, key=lambda section: section.place)),
            tuple(sorted(lines, key=lambda line: not line.is_urgent)),
            found,
            is_published,
        )

    def _keep(self, key: Hashable, make: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever is made
        """What was made of this publication by that key, asked for while it is read."""
        if key not in self._made:
            if len(self._made) >= _MOST_KEPT:  # days go by, and nothing is published
                self._made.clear()
            self._made[key] = make()
        return self._made[key]

    @contextmanager
    def _asking(self) -> Iterator[tuple[Query, bool]]:
        """Questions to what is published, and whether anything is."""
        with ExitStack() as stack:
            try:
                ask = stack.enter_context(self._publication.reading())
            except NotPublished:
                yield (lambda *_: []), False
                return
            yield partial(_rows, ask), True


def read_today(settings: Settings, *, now: datetime) -> Today:
    """What is said at a moment, for a program that asks once."""
    desk = TodayDesk(settings.published_dir)
    try:
        return desk.read(settings, now=now)
    finally:
        desk.close()


def _rows(
    ask: Ask, sql: str, parameters: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    try:
        return ask(sql, parameters).as_dicts()
    except NotPublished:
        return []
