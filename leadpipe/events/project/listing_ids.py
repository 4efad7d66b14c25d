"""Which property of an event holds the listing: by its name, and by values that other events have as well.

Pure. A name alone is not enough where the values are no ids, and no name is needed where the same values come
with views and with leads, from different people.
"""

from collections import Counter
from collections.abc import Mapping

from leadpipe.events.mapping.model import Path
from leadpipe.events.project.advice import Line
from leadpipe.events.project.profile import Sample, SeenProperty
from leadpipe.events.project.vocabulary import word_marks, words_of

LEAST_FILL = 0.3
WHOLE = 0.98
"""A property in fewer events than that is not always there."""
_MANY = 5
_LONGEST_ID = 64
_SHORTEST_ID = 3
_PLAINLY_NAMED = 4


class Listings:
    """Which property of each event, or of a part of one, holds the listing."""

    def __init__(self, samples: Mapping[str, Sample]) -> None:
        self.samples = samples
        self._chosen: dict[str, list[SeenProperty]] = {}
        self._reasons: dict[str, str] = {}
        self._names = sorted(samples)
        self._ids = [
            (name, one)
            for name in self._names
            for one in samples[name].properties
            if is_id_like(one)
        ]
        self._places: dict[int, list[int]] = {}
        for place, (_, one) in enumerate(self._ids):
            for value in one.sketch:
                self._places.setdefault(value, []).append(place)
        for name in self._names:
            self._choose_by_name(name)
        for name in self._names:
            if name not in self._chosen:
                self._choose_by_values(name)

    def of(self, event: str) -> list[SeenProperty]:
        """The properties that hold the listing of an event, the first one first."""
        return self._chosen.get(event, [])

    def line(self, event: str, sample: Sample) -> Line | None:
        """The line `listing_id` of an event, with the counts of a sample; None if nothing holds a listing."""
        chosen = self._chosen.get(event)
        if not chosen:
            return None
        seen = sample.find(chosen[0].text) or chosen[0]
        reason = f"{values_text(seen, sample)}, {self._reasons[event]}"
        return Line("listing_id", [one.text for one in chosen], reason)

    def _choose_by_name(self, event: str) -> None:
        sample = self.samples[event]
        named = sorted(
            (one for one in sample.properties if _is_named_listing(one)),
            key=lambda one: (-_name_points(one.path), -one.filled, one.text),
        )
        if not named:
            return
        best = named[0]
        chosen = [best]
        if (
            sample.fill(best) < WHOLE
        ):  # the same under other names: in each event it has one of them
            chosen += [one for one in named[1:] if _name_points(one.path) >= _PLAINLY_NAMED][:2]
        self._keep(event, chosen, "named like a listing")

    def _choose_by_values(self, event: str) -> None:
        """What holds values that are listings elsewhere; else what many people share with other events."""
        sample = self.samples[event]
        able = [
            one
            for one in sample.properties
            if is_id_like(one) and _name_points(one.path) >= 0 and sample.fill(one) >= LEAST_FILL
        ]
        known = [(name, each) for name, chosen in self._chosen.items() for each in chosen]
        for one in able:
            for name, each in known:
                if one.shares_with(each):
                    self._keep(event, [one], f"the same values as {each.text} of {name}")
                    return
        shared = [
            (one, names)
            for one in able
            if one.different >= _MANY and (names := self._sharing(event, one))
        ]
        if shared:
            best, names = max(
                shared, key=lambda pair: (len(pair[1]), pair[0].different, pair[0].text)
            )
            reason = f"the same ones in {', '.join(names[:3])}; make sure of it"
            self._keep(event, [best], reason)

    def _sharing(self, event: str, one: SeenProperty) -> list[str]:
        """The other events with the same values, where these are not one person's each."""
        if one.pairs <= one.different:
            return []
        common: Counter[int] = Counter()
        for value in one.sketch:
            common.update(self._places.get(value, ()))
        found = {
            name
            for place, count in common.items()
            if (name := self._ids[place][0]) != event
            and one.is_good_part(count, self._ids[place][1])
        }
        return sorted(found)

    def _keep(self, event: str, chosen: list[SeenProperty], reason: str) -> None:
        sharing = [
            name
            for name, others in self._chosen.items()
            if any(chosen[0].shares_with(each) for each in others)
        ]
        same = f", the same ones as in {sharing[0]}" if sharing and "same" not in reason else ""
        self._chosen[event] = chosen
        self._reasons[event] = reason + same


def _is_named_listing(one: SeenProperty) -> bool:
    """Whether the name says that it is a listing; `product` alone needs values that look like ids."""
    points = _name_points(one.path)
    is_told = points >= _PLAINLY_NAMED or (
        points > 1 and one.different > 1 and _looks_like_ids(one)
    )
    return is_told and is_id_like(one)


def _looks_like_ids(one: SeenProperty) -> bool:
    """Whether all its values have digits, and are no small numbers."""
    texts = [str(value) for value in one.values]
    return all(len(text) >= _SHORTEST_ID and any(map(str.isdigit, text)) for text in texts)


def _name_points(path: Path) -> int:
    """How much the name says that it is a listing: below 0 it is something else, 0 it says nothing."""
    words = [word for name in path for word in words_of(name)]
    if any(_is_of_another(word_marks(word)) for word in words):
        return -1
    points = 3 if any("properties.listing" in word_marks(word) for word in words) else 0
    ends = (*words_of(path[-1])[:1], *words[-1:])
    return points + (1 if any("properties.id" in word_marks(word) for word in ends) else 0)


def _is_of_another(marks: frozenset[str]) -> bool:
    is_lister = any(mark.startswith("listers.") for mark in marks)
    is_other = is_lister or "properties.other" in marks
    return is_other and not marks & {"properties.id", "properties.listing"}


def is_id_like(one: SeenProperty) -> bool:
    """Whether its values could be ids of things: short texts or whole numbers, not the person's own."""
    return bool(one.values) and one.own <= one.filled / 2 and all(map(is_id, one.values))


def is_id(value: object) -> bool:
    """Whether a value could be an id: short, no number with decimals, no address, no time, one word."""
    text = str(value)
    if isinstance(value, bool | float) or not 0 < len(text) <= _LONGEST_ID:
        return False
    return not any(each in text for each in ("@", "://", " ", "{", "[")) and not _is_time(text)


def _is_time(text: str) -> bool:
    return (
        len(text) >= len("2026-01-01") and text[:4].isdigit() and text[4] == "-" and text[7] == "-"
    )


def values_text(one: SeenProperty, sample: Sample) -> str:
    """How many values, in how many events."""
    count = f"{one.different:,} value{'' if one.different == 1 else 's'}"
    return f"{one.text}: {count} in {one.filled:,} of {sample.events:,} events"
