"""Small builders of profiles: a project as it was seen, without a PostHog."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from leadpipe.events.mapping.reading import built_in
from leadpipe.events.mapping.sources import parsed_path
from leadpipe.events.project.advice import Advice, Suggestion
from leadpipe.events.project.profile import (
    Profile,
    Sample,
    SeenEvent,
    SeenProperty,
    Split,
    merged,
)
from leadpipe.events.project.suggesting import suggest

_BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
_END = datetime(2026, 11, 20, tzinfo=UTC)
_SAMPLE = 100


def prop(
    name: str, values: Sequence[object], *, filled: int = _SAMPLE, **said: int
) -> SeenProperty:
    """A property of 100 events, with values that as many people as there are events had."""
    different = said.pop("different", len({*values}))
    path = parsed_path(name)
    assert path is not None
    return SeenProperty(
        path,
        filled,
        different,
        said.pop("pairs", filled),
        said.pop("own", 0),
        tuple(values),
        frozenset(hash(value) for value in values),
    )


def split(by: SeenProperty, parts: Mapping[str, Sequence[SeenProperty]]) -> Split:
    """An event's 100 events of each value of a property, with the properties that these have."""
    return Split(by, {value: Sample(_SAMPLE, tuple(found)) for value, found in parts.items()})


def profile(events: Mapping[str, Sequence[SeenProperty]]) -> Profile:
    """A project of these events, 1,000 of each."""
    return Profile(
        30,
        tuple(SeenEvent(name, 1000, _BEGIN, _END) for name in events),
        {name: Sample(_SAMPLE, tuple(properties)) for name, properties in events.items()},
    )


def advice_for(events: Mapping[str, Sequence[SeenProperty]]) -> Advice:
    """What is suggested beside the built-in mapping."""
    return suggest(profile(events), built_in())


def lines_of(one: Suggestion) -> dict[str, object]:
    """What a suggestion says of columns, without the reasons."""
    return {line.key: line.value for line in one.lines}


def suggested(
    events: Mapping[str, Sequence[SeenProperty]],
) -> dict[str, tuple[str, dict[str, object]]]:
    """By event what it means, and what is said of its columns."""
    return {one.event.name: (one.meaning, lines_of(one)) for one in advice_for(events).suggestions}


def told_apart(
    event: str, by: str, parts: Mapping[str, Sequence[SeenProperty]], *others: str
) -> Advice:
    """What is suggested for an event whose property `by` has these values, each with its properties.

    Events of other names, without properties, come as well.
    """
    said = prop(by, [*parts])
    parts = {value: [said_once(by, value), *found] for value, found in parts.items()}
    samples = [Sample(_SAMPLE, tuple(found)) for found in parts.values()]
    whole = profile({event: (), **dict.fromkeys(others, ())})
    sample = merged(samples)
    return suggest(
        replace(
            whole,
            samples={**whole.samples, event: sample},
            splits={event: (split(sample.find(by) or said, parts),)},
        ),
        built_in(),
    )


def said_once(name: str, value: str) -> SeenProperty:
    """A property that has one value in all events."""
    return prop(name, [value])


def rules(advice: Advice) -> list[tuple[str, dict[str, object]]]:
    """What is suggested, in order."""
    return [(one.meaning, lines_of(one)) for one in advice.suggestions]
