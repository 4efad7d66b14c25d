"""Which property tells what an event means where its name leaves it open, and the events apart by it.

Pure. `button_clicked` means something only with its `button`, a `screen` with its name, a `contact` may be a
call or a share. Which values mean what `suggesting.py` decides; asking PostHog for each value's events is
`asking.py`'s business.
"""

from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.project.profile import Profile, Sample, SeenEvent, SeenProperty
from leadpipe.events.project.words import (
    is_another_thing,
    is_generic,
    is_listing_page,
    told,
    told_by_value,
)

MOST_APART = 2
"""Properties of one event by which its events are taken apart."""
_SCREEN = "$screen"
_MOST_DIFFERENT = 100
_LEAST_FILL = 0.5
_LEAST_REPEATED = 5
_LONGEST_VALUE = 64


def unmapped(profile: Profile, mapping: EventMapping) -> list[SeenEvent]:
    """The events that are neither PostHog's own nor named in a mapping, the most frequent first.

    The one that its SDKs for phones send of each screen is among them: a team names screens by itself.
    """
    return [
        one
        for one in profile.events
        if (not one.is_posthogs_own or one.name == _SCREEN) and one.name not in mapping.events
    ]


def could_mean_something(name: str) -> bool:
    """Whether an event's name says what it means, or that a property has to."""
    return told(name) is not None or is_generic(name)


def to_take_apart(profile: Profile, mapping: EventMapping) -> dict[str, list[SeenProperty]]:
    """Of events that could mean several things the properties that could say which, the likeliest first."""
    found = {}
    for event in unmapped(profile, mapping):
        if event.name in profile.samples and could_mean_something(event.name):
            properties = _apart_by(profile.sample(event.name))
            if properties:
                found[event.name] = properties
    return found


def values_of(one: SeenProperty) -> list[str]:
    """Its values by which events can be told apart, and that a file can say."""
    return [value for value in one.values if isinstance(value, str) and _is_short(value)]


def _is_short(value: str) -> bool:
    return len(value.strip()) > 0 and len(value) <= _LONGEST_VALUE and value.isprintable()


def _apart_by(sample: Sample) -> list[SeenProperty]:
    able = [(points, one) for one in sample.properties if (points := _points(one, sample))]
    able.sort(key=lambda pair: (-pair[0], -pair[1].filled, pair[1].text))
    return [one for _, one in able[:MOST_APART]]


def _points(one: SeenProperty, sample: Sample) -> int:
    """How likely it says what an event means: by its name, and by what its values say; 0 if it cannot."""
    values = values_of(one)
    is_able = (
        len(values) > 1
        and sample.fill(one) >= _LEAST_FILL
        and "properties.environment" not in one.marks
        and (one.is_open or _is_repeated_label(one))
    )
    if not is_able:
        return 0
    telling = sum(
        bool(told_by_value(value)) or is_listing_page(value) or is_another_thing(value)
        for value in values
    )
    is_named = "properties.apart" in one.marks
    return (10 if is_named else 0) + telling if is_named or telling > 1 else 0


def _is_repeated_label(one: SeenProperty) -> bool:
    """Many values, but plainly names of screens or buttons, each of them often."""
    return (
        "properties.surface" in one.marks
        and not one.is_named_personal
        and one.different <= _MOST_DIFFERENT
        and one.filled >= _LEAST_REPEATED * one.different
    )
