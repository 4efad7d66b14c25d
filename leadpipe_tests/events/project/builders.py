"""Small builders of profiles: a project as it was seen, without a PostHog."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from leadpipe.events.mapping.reading import built_in
from leadpipe.events.mapping.sources import parsed_path
from leadpipe.events.project.advice import Advice, Suggestion
from leadpipe.events.project.profile import Profile, Sample, SeenEvent, SeenProperty
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
