"""The events of one name by what they mean: all of them, or those with some values of a property.

Pure. The name says most, else values do: a screen's name that it shows a listing, a button's that somebody
calls. Where the listing lies is known only afterwards; whether it is there on exactly some values then says
that the others mean something else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from leadpipe.events.project.advice import Line
from leadpipe.events.project.apart import values_of
from leadpipe.events.project.profile import (
    Profile,
    Sample,
    SeenEvent,
    SeenProperty,
    Split,
    merged,
)
from leadpipe.events.project.vocabulary import words_of
from leadpipe.events.project.words import (
    Told,
    is_another_thing,
    is_generic,
    is_listing_page,
    told,
    told_by_value,
)
from leadpipe.text import share_text

_IS_THERE = 0.9
"""A property in so many events of a part is what these are about."""
_IS_NOT_THERE = 0.1
_LEAST_THERE = 0.5
_MOST_NAMED = 3
_OF_VALUES: tuple[Told, ...] = (
    "view",
    "lead",
    "share",
    "saved_listing",
    "website_visit",
    "sale",
    "signup",
    "pageview",
)
_BESIDE_LEADS: tuple[Told, ...] = ("share", "saved_listing")


@dataclass(frozen=True)
class Part:
    """Events of one name that mean one thing.

    Args:
        event: their name and count.
        meaning: what they are taken for.
        sample: what was looked at of them.
        reason: why they are taken for it.
        split: the property whose values they have, with all its values; None for all events of the name.
        values: those values, as they were sent.
        rest_of: values of other parts; this one is what has none of them.
    """

    event: SeenEvent
    meaning: Told
    sample: Sample
    reason: str
    split: Split | None = None
    values: tuple[str, ...] = ()
    rest_of: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What a reason calls it; no two parts have the same."""
        if not self.split or not self.values:
            return self.event.name
        return f"{self.event.name} ({self.split.by.text}: {', '.join(self.values)})"

    def with_values(self, split: Split, values: Sequence[str]) -> "Part":
        """Only those of them that have one of the values."""
        sample = merged([split.samples[value] for value in values])
        return replace(self, split=split, values=tuple(values), sample=sample)


def parts_of(event: SeenEvent, profile: Profile) -> list[Part]:
    """What the events of a name mean, part by part; nothing that names or values say: no part."""
    meaning, sample = told(event.name), profile.sample(event.name)
    splits = [_looked_at(split) for split in profile.splits.get(event.name, ())]
    best: list[Part] = []
    if meaning in ("lead", "pageview") or (meaning is None and is_generic(event.name)):
        for one in splits:
            found = [
                _part(event, each, one, values)
                for each, values in _by_meaning(one, meaning).items()
            ]
            if _worth(found) > _worth(best):
                best = found
    words = " ".join(words_of(event.name))
    split = best[0].split if best else None
    if meaning == "lead" and split:
        others = tuple(value for part in best for value in part.values)
        rest = [sample for value, sample in split.samples.items() if value not in others]
        sample = merged(rest) if rest else sample
        reason = f"by its name ({words}), unless {split.by.text} says something else"
        return [*best, Part(event, meaning, sample, reason, rest_of=others)]
    if best or meaning is None:
        return best
    return [Part(event, meaning, sample, f"by its name ({words})")]


def _looked_at(split: Split) -> Split:
    """The split by values that a file can say, the same in upper and lower case once."""
    once: dict[str, str] = {}
    for value in values_of(split.by):
        if value in split.samples:
            once.setdefault(value.strip().lower(), value)
    return Split(split.by, {value: split.samples[value] for value in once.values()})


def _by_meaning(split: Split, of_name: Told | None) -> dict[Told, list[str]]:
    is_page = of_name == "pageview" or "events.page" in split.by.marks
    found: dict[Told, list[str]] = {}
    for value in split.samples:
        said = _told_by_page(value) if is_page else told_by_value(value)
        if said in (_BESIDE_LEADS if of_name == "lead" else _OF_VALUES):
            found.setdefault(said, []).append(value)
    return found


def _told_by_page(value: str) -> Told | None:
    return "view" if is_listing_page(value) else None


def _worth(parts: Iterable[Part]) -> int:
    """By how many values it is said; the listing has to be there."""
    return sum(len(part.values) for part in parts)


def _part(event: SeenEvent, meaning: Told, split: Split, values: Sequence[str]) -> Part:
    part = Part(event, meaning, Sample(), f"where {split.by.text} says so")
    return part.with_values(split, values)


def only_where(part: Part, by: SeenProperty | None) -> Line | None:
    """The line that leaves other events out; None for a part that has no filter."""
    if part.split is None or not part.values:
        return None
    path, values = part.split.by.text, list(part.values)
    others = {value: one for value, one in part.split.samples.items() if value not in values}
    elsewhere = _share(merged([*others.values()]), by) if by else 1.0
    if by and elsewhere <= _IS_NOT_THERE:
        there = share_text(_share(part.sample, by))
        reason = (
            f"{by.text} is there on {there} of the events whose {path} is {_listed(values, 'or')}, "
            f"on {share_text(elsewhere)} of the others"
        )
    else:
        reason = f"by what {path} says"
    if others:
        reason += f"; other values: {_listed([*others], 'and')}"
    return Line("only_where", {path: values}, reason)


def _listed(values: Sequence[str], last: str) -> str:
    named = [repr(value) for value in values[:_MOST_NAMED]]
    if more := len(values) - len(named):
        named.append(f"{more} more")
    return f"{', '.join(named[:-1])} {last} {named[-1]}" if len(named) > 1 else named[0]


def _share(sample: Sample, one: SeenProperty) -> float:
    found = next((each for each in sample.properties if each.path == one.path), None)
    return sample.fill(found) if found else 0.0


def with_listing(
    part: Part, listing: SeenProperty, profile: Profile
) -> tuple[Part, tuple[str, ...]]:
    """The part without values on which the listing is missing, and these values.

    Of a part that is all events of its name: those values on which it is there, where it is there on exactly
    some; else those that are no agents, articles or the like with ids of their own.
    """
    if part.split is not None and part.values:
        kept = [
            value
            for value in part.values
            if _share(part.split.samples[value], listing) >= _LEAST_THERE
        ]
        lacking = tuple(value for value in part.values if value not in kept)
        if not kept or not lacking:
            return part, lacking
        return part.with_values(part.split, kept), lacking
    if part.rest_of:
        return part, ()
    for split in map(_looked_at, profile.splits.get(part.event.name, ())):
        if split.by.path == listing.path:
            continue
        kept = _clearly_with(split, listing, part.sample) or _of_listings(split, listing)
        if kept:
            return part.with_values(split, kept), ()
    return part, ()


def _clearly_with(split: Split, listing: SeenProperty, whole: Sample) -> list[str]:
    """Values on which the listing is there, if it is there on these and on no others."""
    shares = {value: _share(sample, listing) for value, sample in split.samples.items()}
    found = [value for value, share in shares.items() if share >= _IS_THERE]
    is_clear = all(share >= _IS_THERE or share <= _IS_NOT_THERE for share in shares.values())
    is_split = 0 < len(found) < len(shares) and _share(whole, listing) < _IS_THERE
    return found if is_clear and is_split else []


def _of_listings(split: Split, listing: SeenProperty) -> list[str]:
    """Values that are not of other things, if some are: an agent's id under the same name is no listing."""
    ids = {
        value: found
        for value, sample in split.samples.items()
        if (found := next((one for one in sample.properties if one.path == listing.path), None))
    }
    others = {value for value in split.samples if is_another_thing(value)}
    listings = [value for value in ids if is_listing_page(value) and value not in others]
    is_apart = not any(
        ids[value].shares_with(ids[each]) for value in listings for each in others if each in ids
    )
    if not listings or not others or not is_apart:
        return []
    return [
        value
        for value in ids
        if value not in others
        and (value in listings or any(ids[value].shares_with(ids[each]) for each in listings))
    ]


def page_with_listing(part: Part, listing: SeenProperty, profile: Profile) -> list[Part]:
    """Of page views those of one page that alone has a listing: views, though its name does not say so."""
    for split in map(_looked_at, profile.splits.get(part.event.name, ())):
        kept = _clearly_with(split, listing, part.sample)
        if len(kept) == 1 and told_by_value(kept[0]) is None:
            reason = f"no other {split.by.text} than {kept[0]!r} has a listing; make sure of it"
            return [replace(part, meaning="view", reason=reason).with_values(split, kept)]
    return []
