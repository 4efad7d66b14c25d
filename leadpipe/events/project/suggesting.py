"""Make a mapping of what a project sends: what each event could mean, which property says what, and why.

Pure functions of a profile. A name alone decides little: a property is the listing when it is named so, or
when many different values come from different people and the same ones come with views and with leads; the
kind of a lead is what the name says, else what the values say. What is unsure is said so in the reason.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.reading import UNKNOWN
from leadpipe.events.project.advice import Advice, Line, Said, Suggestion
from leadpipe.events.project.listing_ids import (
    LEAST_FILL,
    WHOLE,
    Listings,
    is_id,
    is_id_like,
    values_text,
)
from leadpipe.events.project.profile import MOST_VALUES, Profile, Sample, SeenEvent, SeenProperty
from leadpipe.events.project.words import (
    ID_WORDS,
    LEAD_TYPES_TOLD,
    LISTER_WORDS,
    SEEKER_WORDS,
    VIEWED_FROM_TOLD,
    Told,
    has,
    is_removal,
    read_as,
    told,
    words_of,
)

_WITHOUT_LISTING: tuple[Told, ...] = ("signup",)
_KINDS = r"channel|type|method|kind|via|how|action|lead|contact|way|button|cta"
_ELSEWHERE = (
    r"utm|source|referr?er|campaign|platform|os|device|browser|page|screen|status|language|locale"
)
_ORIGINS = (
    r"source|from|origin|referr?er|via|section|placement|context|entry|came|list|page|screen|module"
)
_LOGGED_IN = r"logged|log ?in|signed|authenticated|auth|is ?member|is ?guest"
_TARGETS = r"platform|channel|network|method|target|medium|via|app|share\w*"
_AMOUNTS = r"price|amount|value|total"


def unmapped(profile: Profile, mapping: EventMapping) -> list[SeenEvent]:
    """The events that are neither PostHog's own nor named in a mapping, the most frequent first."""
    return [
        one for one in profile.events if not one.is_posthogs_own and one.name not in mapping.events
    ]


def suggest(profile: Profile, mapping: EventMapping) -> Advice:
    """What the events could mean that a mapping does not name."""
    candidates = [
        (one, meaning)
        for one in unmapped(profile, mapping)
        if one.name in profile.samples and one.name.isprintable() and (meaning := told(one.name))
    ]
    listings = Listings(profile, {one.name for one, _ in candidates})
    found: list[Suggestion] = []
    left_out: list[tuple[SeenEvent, str]] = []
    for event, meaning in candidates:
        listing = listings.line(event.name)
        if listing is None and meaning not in _WITHOUT_LISTING:
            left_out.append(
                (
                    event,
                    f"it sounds like a {_plain(meaning)}, but no property of it holds a listing",
                )
            )
            continue
        found.append(_suggestion(event, meaning, profile, listing))
    return Advice(_once_a_view(found), tuple(left_out))


def _plain(meaning: str) -> str:
    return meaning.replace("_", " ")


def _once_a_view(found: list[Suggestion]) -> tuple[Suggestion, ...]:
    """The suggestions; a second event that means a view says that both count."""
    first = next((one for one in found if one.meaning == "view"), None)
    return tuple(
        one
        if one is first or one.meaning != "view" or first is None
        else Suggestion(
            one.event,
            one.meaning,
            f"{one.reason}; {first.event.name} is a view as well: leave one out if both come with one visit",
            one.lines,
        )
        for one in found
    )


def _suggestion(
    event: SeenEvent, meaning: Told, profile: Profile, listing: Line | None
) -> Suggestion:
    sample = profile.sample(event.name)
    lines = [listing] if listing and meaning not in _WITHOUT_LISTING else []
    taken = {text for line in lines for text in _names(line)}
    lines += _further(event, meaning, sample, taken)
    words = " ".join(words_of(event.name))
    reason = f"{event.events:,} in {profile.days} days; by its name ({words})"
    return Suggestion(event, meaning, reason, tuple(lines))


def _names(line: Line) -> list[str]:
    return line.value if isinstance(line.value, list) else []


def _further(
    event: SeenEvent, meaning: Told, sample: Sample, taken: Iterable[str]
) -> Iterator[Line]:
    """Lines beside the listing."""
    others = Sample(
        sample.events, tuple(one for one in sample.properties if one.text not in {*taken})
    )
    if meaning == "lead":
        yield _lead_type(event, others)
        yield from _seeker(others)
        yield from _lister(others)
    if meaning == "view":
        yield from _viewed_from(others)
        yield from _lister(others)
    if meaning == "share":
        yield from _platform(others)
    if meaning == "saved_listing" and is_removal(event.name):
        yield Line("save_action", "remove", "by its name")
    if meaning == "sale":
        yield from _price(others)
    if meaning in ("view", "lead"):
        yield from _is_logged_in(others)


def _few(sample: Sample) -> list[SeenProperty]:
    """The properties whose values can be told apart and written down: few and open ones."""
    return [
        one
        for one in sample.properties
        if one.is_open
        and one.different <= MOST_VALUES
        and all(isinstance(v, str) for v in one.values)
    ]


def _read(one: SeenProperty, kinds: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """What its values are read as, and those that say nothing."""
    read = {str(value): read_as(str(value), kinds) for value in one.values}
    known: dict[str, str] = {}
    for value, kind in read.items():
        if kind and value.strip().lower() not in {each.strip().lower() for each in known}:
            known[value] = kind
    return known, [value for value, kind in read.items() if not kind]


def _lead_type(event: SeenEvent, sample: Sample) -> Line:
    by_name = read_as(event.name, LEAD_TYPES_TOLD)
    if by_name not in (None, "message"):
        return Line("lead_type", by_name, "by its name")
    tellers: list[tuple[tuple[bool, int, int, str], SeenProperty, dict[str, str], list[str]]] = []
    for one in _few(sample):
        known, unknown = _read(one, LEAD_TYPES_TOLD)
        is_named = has(_KINDS, one.text)
        if not known or len(unknown) > len(known) or has(_ELSEWHERE, one.text):
            continue
        if is_named or (len(known) > 1 and not unknown):
            tellers.append(((is_named, len(known), one.filled, one.text), one, known, unknown))
    if tellers:
        _, one, known, unknown = max(tellers, key=lambda teller: teller[0])
        return _lead_type_by_values(one, known, unknown, sample, by_name)
    if by_name:
        return Line("lead_type", by_name, "by its name")
    return Line(
        "lead_type", "phone", "nothing says of which kind it is; phone is assumed, change it"
    )


def _lead_type_by_values(
    one: SeenProperty,
    known: Mapping[str, str],
    unknown: Sequence[str],
    sample: Sample,
    by_name: str | None,
) -> Line:
    said: dict[str, object] = {"from": [one.text], "values": known, "otherwise": UNKNOWN}
    reason = f"{one.text} says {', '.join(map(repr, known))}"
    if unknown:
        reason += f"; rejected until you say what they are: {', '.join(map(repr, unknown))}"
    if sample.fill(one) < WHOLE:
        said["default"] = by_name or "phone"
        reason += "" if by_name else "; phone is assumed where it says nothing"
    return Line("lead_type", said, reason)


def _ids_of(sample: Sample, words: frozenset[str]) -> list[SeenProperty]:
    """Ids whose name says of whom."""
    return sorted(
        (
            one
            for one in sample.properties
            if (parts := [word for name in one.path for word in words_of(name)])
            and {*parts} & words
            and ({*parts[-1:]} & (ID_WORDS | words))
            and is_id_like(one)
        ),
        key=lambda one: (not ({*words_of(one.path[-1])[-1:]} & ID_WORDS), -one.filled, one.text),
    )


def _lister(sample: Sample) -> Iterator[Line]:
    found = _ids_of(sample, LISTER_WORDS)
    if not found:
        return
    one = found[0]
    who = next(word for name in one.path for word in words_of(name) if word in LISTER_WORDS)
    yield Line("lister_id", [one.text], f"{values_text(one, sample)}, named like a lister")
    yield Line("lister_type", who, "by that name")


def _seeker(sample: Sample) -> Iterator[Line]:
    found = [
        one
        for one in sample.properties
        if {*words_of(one.path[0])} & SEEKER_WORDS
        and {*words_of(one.path[-1])[-1:]} & ID_WORDS
        and one.values
        and all(map(is_id, one.values))
        and sample.fill(one) >= LEAST_FILL
    ]
    if found and found[0].own <= found[0].filled / 2:
        one = max(found, key=lambda each: (each.filled, each.text))
        yield Line(
            "seeker_id",
            [one.text],
            f"{values_text(one, sample)}; without one it is the distinct_id",
        )


def _viewed_from(sample: Sample) -> Iterator[Line]:
    for one in sorted(_few(sample), key=lambda each: (-each.filled, each.text)):
        known, unknown = _read(one, VIEWED_FROM_TOLD)
        if known and has(_ORIGINS, one.text) and not has(r"utm", one.text):
            said: dict[str, object] = {"from": [one.text]}
            if any(value.strip().lower() != kind for value, kind in known.items()):
                said["values"] = known
            if unknown:
                said["otherwise"] = "other"
            yield Line(
                "viewed_from", said, f"{one.text} says {', '.join(f'{value!r}' for value in known)}"
            )
            return


def _is_logged_in(sample: Sample) -> Iterator[Line]:
    for one in sample.properties:
        if (
            has(_LOGGED_IN, one.text)
            and one.values
            and all(isinstance(v, bool) for v in one.values)
        ):
            said: Said = [one.text]
            if has(r"guest|anonymous|out", one.text):
                said = {"from": [one.text], "values": {"true": False, "false": True}}
            yield Line("is_logged_in", said, f"{one.text} is true or false")
            return


def _platform(sample: Sample) -> Iterator[Line]:
    for one in _few(sample):
        if has(_TARGETS, one.text):
            yield Line("platform", [one.text], values_text(one, sample))
            return


def _price(sample: Sample) -> Iterator[Line]:
    for one in sample.properties:
        if has(_AMOUNTS, one.text) and one.values and all(map(_is_amount, one.values)):
            yield Line("price", [one.text], values_text(one, sample))
            return


def _is_amount(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number or (isinstance(value, str) and any(each.isdigit() for each in value))
