"""What a domain may say of today: its `today.py` has `today(look)`.

Whatever has a path leads to the list it counts, with the filter in the address. Nothing that may be told in a
message has personal data: rows are shown on the page only, unless they say otherwise.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from leadpipe.settings import Settings
from leadpipe.zones import begin_of, day_in

_HeldT = TypeVar("_HeldT")
_MadeT = TypeVar("_MadeT")
Query = Callable[..., list[dict[str, Any]]]
"""Rows of the published tables as dicts; a table that is not published yet has none."""


def _nothing_held(kind: type[Any]) -> None:
    del kind


@dataclass(frozen=True)
class Look:
    """One look at everything.

    Args:
        query: asks the published tables, of one publication.
        settings: all sections.
        now: when (UTC).
        mark: what the domain's `Section.mark` was when the person looked before; None for a first look.
        looked_at: when that was (UTC).
        held: the object of a type that the program holds, None if it holds none.
        keeps: gives again what was made of the same publication, by a key.
    """

    query: Query
    settings: Settings
    now: datetime
    mark: str | None = None
    looked_at: datetime | None = None
    held: Callable[[type[Any]], Any] = field(default=_nothing_held, repr=False)
    keeps: Callable[[Hashable, Callable[[], Any]], Any] | None = field(default=None, repr=False)

    def held_one(self, kind: type[_HeldT]) -> _HeldT | None:
        """The object of that type, typed."""
        found: _HeldT | None = self.held(kind)
        return found

    def made(self, key: Hashable, make: Callable[[], _MadeT]) -> _MadeT:
        """What `make` gives, made once a publication and key where that is kept.

        Args:
            key: a name of its own, and all that it depends on beside the publication, as the day.
            make: makes it.
        """
        if self.keeps is None:
            return make()
        found: _MadeT = self.keeps(key, make)
        return found

    @property
    def zone(self) -> str:
        """The team's time zone (IANA)."""
        return self.settings.alert_timezone

    @property
    def day(self) -> date:
        """Which day it is there."""
        return day_in(self.zone, self.now)

    def begin(self, *, days_ago: int) -> datetime:
        """When (UTC) a day of the team's began: 0 for today, 1 for yesterday."""
        return begin_of(self.day - timedelta(days=days_ago), self.zone)


@dataclass(frozen=True)
class Fact:
    """A number and what it counts.

    Args:
        value: as it is shown (`12`, `2 h`).
        label: what it counts (`new leads since yesterday`).
        path: to the list of what it counts.
        note: said beside it on the page.
        said: in a sentence, where that is not `value label`; empty: not said in messages.
        is_urgent: somebody should look.
        parts: what it is made of, each with a path of its own.
    """

    value: str
    label: str
    path: str | None = None
    note: str | None = None
    said: str | None = None
    is_urgent: bool = False
    parts: "Sequence[Fact]" = ()

    @property
    def words(self) -> str:
        """As a part of a sentence."""
        return f"{self.value} {self.label}" if self.said is None else self.said


@dataclass(frozen=True)
class Row:
    """A thing that somebody may want to open.

    Args:
        label: its name.
        path: of its page.
        value: the number it is here for.
        note: what else is to be known of it.
        name: its label to a screen reader, where several rows are labelled alike.
        said: in a sentence; without it the row is not said in messages, as where it names a person.
    """

    label: str
    path: str
    value: str
    note: str = ""
    name: str | None = None
    said: str | None = None


@dataclass(frozen=True)
class Section:
    """What a domain says of today.

    Args:
        title: in people's words.
        path: of the page with all of it.
        place: its order, the least first.
        facts: the numbers, the most important first.
        heading: above the rows.
        rows: the things to open.
        as_of: up to when (UTC) it is known.
        step: what to do while there is nothing to say.
        mark: what was there to be seen, given back with the next look.
    """

    title: str
    path: str
    place: int
    facts: Sequence[Fact] = ()
    heading: str = ""
    rows: Sequence[Row] = ()
    as_of: datetime | None = None
    step: str | None = None
    mark: str | None = None

    @property
    def sentence(self) -> str | None:
        """What is told of it in a message; None for nothing."""
        said = [fact.words for fact in self.facts if fact.words]
        named = [row.said for row in self.rows if row.said]
        if named:
            said.append(f"{self.heading.lower()}: {', '.join(named)}")
        return "; ".join(said) or None


@dataclass(frozen=True)
class Line:
    """One sentence, that something waits for a person or that all is well.

    Args:
        text: the sentence, without a full stop.
        path: where one does something about it.
        is_urgent: somebody should look.
        is_told: it is in messages too; by default what is urgent.
    """

    text: str
    path: str | None = None
    is_urgent: bool = False
    is_told: bool = False


@dataclass(frozen=True)
class Today:
    """Everything that is said at a moment.

    Args:
        now: the moment (UTC).
        zone: the team's (IANA).
        sections: in the order of their places.
        lines: those that are urgent first.
        marks: by domain, for the next look.
        is_published: whether there is anything to read yet.
    """

    now: datetime
    zone: str
    sections: Sequence[Section]
    lines: Sequence[Line]
    marks: Mapping[str, str]
    is_published: bool
