"""What a project sends, as far as it was looked at: events, their properties, what values those have.

Pure. Asking PostHog is `asking.py`'s business, what an event could mean `suggesting.py`'s.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from leadpipe.events.mapping.model import Path, path_text
from leadpipe.events.project.vocabulary import word_marks, words_of
from leadpipe.posthog.literals import NAME_LIMIT

MOST_PROPERTIES = 400
"""So many of an event are looked at: those that are filled most."""
MOST_VALUES = 20
"""A property with more different values has no few: they may be anybody's."""
_LEAST_REPEATED = 2
# Of what a screen or a button is called: in the languages of `languages/`.
_LABELS = frozenset(
    {"name", "text", "nombre", "texto", "nome", "nom", "texte", "testo", "naam", "nama"}
)
_FEWEST_PHONE_DIGITS = 7
_PHONE = re.compile(r"[+(]?[\d\s().+-]+")
_LONGEST_SHOWN = 40
_LONGEST_NAME = 100


@dataclass(frozen=True)
class SeenEvent:
    """An event name and how often it came, between two moments (UTC)."""

    name: str
    events: int
    first_at: datetime
    last_at: datetime

    @property
    def shown(self) -> str:
        """The name as a line of text can hold it, whatever is in it."""
        text = "".join(each if each.isprintable() else " " for each in self.name)
        return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"

    @property
    def is_posthogs_own(self) -> bool:
        """Whether PostHog sends it by itself."""
        return self.name.startswith("$")

    def a_day(self, days: int) -> float:
        """About how many a day, over so many days looked at."""
        return self.events / max(days, 1)


@dataclass(frozen=True)
class SeenProperty:
    """A property of a sample of an event.

    Args:
        path: the way to it.
        filled: in how many events of the sample it has a value.
        different: how many different values.
        pairs: how many different pairs of a value and a distinct_id.
        own: in how many events the value is the distinct_id.
        values: the most frequent ones first, some 20; lists and objects as their JSON, maybe cut.
        sketch: the smallest of the values' hashes.
    """

    path: Path
    filled: int
    different: int = 1
    pairs: int = 1
    own: int = 0
    values: tuple[object, ...] = ()
    sketch: frozenset[int] = frozenset()

    @property
    def text(self) -> str:
        """The path as `events.toml` writes it."""
        return path_text(self.path)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of all names on the way to it."""
        return tuple(word for name in self.path for word in words_of(name))

    @cached_property
    def marks(self) -> frozenset[str]:
        """What these words are marked as, each by itself."""
        return frozenset(mark for word in self.words for mark in word_marks(word))

    @cached_property
    def is_named_personal(self) -> bool:
        """Whether its values could be somebody's own by its name; a screen's name and a button's are not."""
        personal = [word for word in self.words if "properties.personal" in word_marks(word)]
        is_of_surface = "properties.surface" in self.marks
        return bool(personal) and not (is_of_surface and {*personal} <= _LABELS)

    @cached_property
    def is_open(self) -> bool:
        """Whether its values can be shown: few, repeated, and neither named nor made like personal ones."""
        kinds = {type(value) for value in self.values}
        if kinds <= {bool}:
            return True
        if self.is_named_personal:
            return False
        if "properties.harmless" in self.marks and kinds <= {int, float}:
            return True
        if any(map(_looks_personal, self.values)):
            return False
        return self.different <= MOST_VALUES and self.filled >= _LEAST_REPEATED * self.different

    def examples(self, most: int) -> list[str]:
        """Values as they can be shown; of what is not open only how they look (`aa-9999`)."""
        shown = [_plain(value) if self.is_open else shape(value) for value in self.values]
        return list(dict.fromkeys(shown))[:most]

    def shares_with(self, other: "SeenProperty") -> bool:
        """Whether a good part of the values are the same."""
        return self.is_good_part(len(self.sketch & other.sketch), other)

    def is_good_part(self, common: int, other: "SeenProperty") -> bool:
        """Whether so many common values are a good part of what both have."""
        return common > 0 and common >= 0.15 * min(len(self.sketch), len(other.sketch))


@dataclass(frozen=True)
class Sample:
    """The events of one name that were looked at, and the properties they had, most filled first."""

    events: int = 0
    properties: tuple[SeenProperty, ...] = ()

    def fill(self, one: SeenProperty) -> float:
        """The share of the events in which a property has a value."""
        return one.filled / max(self.events, 1)

    def find(self, text: str) -> SeenProperty | None:
        """The property of a path as it is written."""
        return next((one for one in self.properties if one.text == text), None)


@dataclass(frozen=True)
class Split:
    """The events of one name apart: by a property's value, each with a sample of its own."""

    by: SeenProperty
    samples: Mapping[str, Sample]


@dataclass(frozen=True)
class Profile:
    """What a project sent within some days.

    Args:
        days: how many were looked at.
        events: every event name, the most frequent first.
        samples: of the events that were looked into, by name.
        splits: of those of them whose name leaves it open what they mean, by name.
    """

    days: int
    events: tuple[SeenEvent, ...] = ()
    samples: Mapping[str, Sample] = field(default_factory=dict)
    splits: Mapping[str, tuple[Split, ...]] = field(default_factory=dict)

    @property
    def period(self) -> str:
        """The days in words."""
        return f"{self.days} day{'' if self.days == 1 else 's'}"

    @property
    def names_text(self) -> str:
        """How many event names there are."""
        return f"{len(self.events):,} event name{'' if len(self.events) == 1 else 's'}"

    def sample(self, name: str) -> Sample:
        """What was looked at of an event; nothing of one that was not."""
        return self.samples.get(name, Sample())


def samples_of(rows: Sequence[Sequence[object]]) -> dict[str, Sample]:
    """Samples by event, from the rows of `properties.hogql`."""
    sizes: dict[str, int] = {}
    found: dict[str, list[SeenProperty]] = {}
    for event, name, inner, filled, different, pairs, own, frequent, sketch in rows:
        if not name:
            sizes[str(event)] = _int(filled)
            continue
        values = tuple(_decoded(str(text)) for text in _list(frequent))
        path = (str(name), str(inner)) if inner else (str(name),)
        if not all(map(is_nameable, path)) or _is_object(values):
            continue
        found.setdefault(str(event), []).append(
            SeenProperty(
                path,
                _int(filled),
                _int(different),
                _int(pairs),
                _int(own),
                values,
                frozenset(map(_int, _list(sketch))),
            )
        )
    return {
        event: Sample(
            size, tuple(sorted(found.get(event, ()), key=lambda one: (-one.filled, one.path)))
        )
        for event, size in sizes.items()
    }


def is_nameable(name: str) -> bool:
    """Whether a mapping could name it."""
    return name.isprintable() and 0 < len(name) <= NAME_LIMIT and bool(name.strip())


def merged(samples: Sequence[Sample]) -> Sample:
    """Several samples as one, about: a value that two of them have counts once where it is seen."""
    found: dict[Path, list[SeenProperty]] = {}
    for sample in samples:
        for one in sample.properties:
            found.setdefault(one.path, []).append(one)
    together = [_together(each) if len(each) > 1 else each[0] for each in found.values()]
    return Sample(
        sum(sample.events for sample in samples),
        tuple(sorted(together, key=lambda one: (-one.filled, one.text))),
    )


def _together(ones: Sequence[SeenProperty]) -> SeenProperty:
    values = tuple(dict.fromkeys(value for one in ones for value in one.values))
    sketch = frozenset(each for one in ones for each in one.sketch)
    return SeenProperty(
        ones[0].path,
        sum(one.filled for one in ones),
        max(len(values), len(sketch), *(one.different for one in ones)),
        sum(one.pairs for one in ones),
        sum(one.own for one in ones),
        values,
        sketch,
    )


def _int(value: object) -> int:
    return int(str(value))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _is_object(values: Sequence[object]) -> bool:
    """Whether it is looked into by itself, property by property."""
    return bool(values) and all(isinstance(value, str) and value[:1] == "{" for value in values)


def _decoded(text: str) -> object:
    try:
        value = json.loads(text)
    except ValueError:  # cut in the middle
        return text.strip('"')
    return text if isinstance(value, list | dict) else value


def _plain(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _looks_personal(value: object) -> bool:
    text = str(value).strip()
    if isinstance(value, bool) or not text:
        return False
    digits = sum(each.isdigit() for each in text)
    is_phone = digits >= _FEWEST_PHONE_DIGITS and _PHONE.fullmatch(text) is not None
    return "@" in text or (is_phone and not isinstance(value, float))


def shape(value: object) -> str:
    """How a value looks, and nothing of what it says: every letter a or A, every digit 9.

    >>> shape("Ama-42@mail.gh")
    'Aaa-99@aaaa.aa'
    """
    text = _plain(value)
    return "".join(
        "9" if each.isdigit() else "A" if each.isupper() else "a" if each.isalpha() else each
        for each in text
    )
