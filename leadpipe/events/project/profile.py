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
from leadpipe.events.project.words import word_set, words_of

MOST_VALUES = 20
"""A property with more different values has no few: they may be anybody's."""
_LEAST_REPEATED = 2
_PERSONAL = word_set(
    """
    name firstname lastname fullname username surname phone mobile msisdn tel telephone cell
    whatsapp email mail address street zip postcode ip birth birthday dob age iban account card
    password token secret text message comment comments note notes query search body content
    description latitude longitude lat lng location person
    """
)
_HARMLESS = word_set(
    """
    price amount value total currency bedrooms bathrooms year mileage size count
    """
)
_FEWEST_PHONE_DIGITS = 7
_PHONE = re.compile(r"[+(]?[\d\s().+-]+")
_LONGEST_SHOWN = 40


@dataclass(frozen=True)
class SeenEvent:
    """An event name and how often it came, between two moments (UTC)."""

    name: str
    events: int
    first_at: datetime
    last_at: datetime

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
    def is_open(self) -> bool:
        """Whether its values can be shown: few, repeated, and neither named nor made like personal ones."""
        words = {word for name in self.path for word in words_of(name)}
        kinds = {type(value) for value in self.values}
        if kinds <= {bool}:
            return True
        if words & _PERSONAL:
            return False
        if words & _HARMLESS and kinds <= {int, float}:
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
        common = len(self.sketch & other.sketch)
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
class Profile:
    """What a project sent within some days.

    Args:
        days: how many were looked at.
        events: every event name, the most frequent first.
        samples: of the events that were looked into, by name.
    """

    days: int
    events: tuple[SeenEvent, ...] = ()
    samples: Mapping[str, Sample] = field(default_factory=dict)

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
        if not all(part.isprintable() for part in path) or _is_object(values):
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
    return {event: Sample(size, tuple(found.get(event, ()))) for event, size in sizes.items()}


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
