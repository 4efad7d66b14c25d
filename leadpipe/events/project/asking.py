"""Ask PostHog what a project sends: names, properties of some of them, and those value by value.

Three questions; the last is for events whose name leaves it open what they mean.
None downloads events: PostHog counts, and gives of a sample's values the most frequent ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from leadpipe.errors import QueryTooHeavy
from leadpipe.events.project.apart import values_of
from leadpipe.events.project.profile import (
    Profile,
    Sample,
    SeenEvent,
    SeenProperty,
    Split,
    samples_of,
)
from leadpipe.posthog import PostHog, utc_text
from leadpipe.warehouse import read_sql

DAYS = 30
MOST_LOOKED_INTO = 100
"""Events whose properties are looked at; of more the most frequent ones."""
MOST_APART = 60
"""Properties by which events are taken apart, over all events; 20 values of each are looked at."""
_APART_AT_ONCE = 25
_SAMPLE = 500
# A sample is sought in the latest part of an event's time that should hold several times as many.
_MARGIN = 4


def ask_names(posthog: PostHog, *, now: datetime, days: int = DAYS) -> Profile:
    """Every event name of the last days, without properties; of fewer days where PostHog finds that too much.

    Raises:
        PostHogError.
    """
    for part in dict.fromkeys((days, min(days, 7), 1)):
        try:
            rows = posthog.query(
                read_sql("events", "project/names.hogql"),
                values={
                    "window_start": utc_text(now - timedelta(days=part)),
                    "window_end": utc_text(now),
                },
                name="leadpipe: event names",
            ).decoded()
        except QueryTooHeavy:
            if part == 1:
                raise
            continue
        return Profile(part, tuple(_seen(row) for row in rows))
    raise AssertionError("one day is asked for or refused")


def _seen(row: Sequence[object]) -> SeenEvent:
    name, events, first_at, last_at = row
    return SeenEvent(
        str(name),
        int(str(events)),
        datetime.fromisoformat(str(first_at)),
        datetime.fromisoformat(str(last_at)),
    )


def look_into(posthog: PostHog, profile: Profile, names: Sequence[str]) -> Profile:
    """The profile with the properties of some of its events: the first 100 of the names that came.

    Raises:
        PostHogError.
    """
    by_name = {one.name: one for one in profile.events}
    chosen = [by_name[name] for name in names if name in by_name][:MOST_LOOKED_INTO]
    return replace(profile, samples=_samples(posthog, chosen)) if chosen else profile


def _samples(posthog: PostHog, events: Sequence[SeenEvent]) -> dict[str, Sample]:
    since = {one.name: sample_begins(one) for one in events}
    try:
        rows = posthog.query(
            read_sql("events", "project/properties.hogql"),
            values={
                "events": list(since),
                "since": [int(begin.timestamp()) for begin in since.values()],
                "window_start": utc_text(min(since.values()).replace(microsecond=0)),
                "window_end": utc_text(max(one.last_at for one in events) + timedelta(seconds=1)),
            },
            name="leadpipe: event properties",
        ).decoded()
    except QueryTooHeavy:
        if len(events) == 1:
            raise
        middle = len(events) // 2
        return _samples(posthog, events[:middle]) | _samples(posthog, events[middle:])
    return samples_of(rows)


def take_apart(
    posthog: PostHog, profile: Profile, wanted: Mapping[str, Sequence[SeenProperty]]
) -> Profile:
    """The profile with some of its events apart: by the values of these properties of theirs.

    Raises:
        PostHogError.
    """
    by_name = {one.name: one for one in profile.events}
    asked = [(by_name[name], one) for name, properties in wanted.items() for one in properties][
        :MOST_APART
    ]
    splits: dict[str, tuple[Split, ...]] = {}
    for start in range(0, len(asked), _APART_AT_ONCE):
        for event, split in _splits(posthog, asked[start : start + _APART_AT_ONCE]):
            splits[event.name] = (*splits.get(event.name, ()), split)
    return replace(profile, splits=splits)


def _splits(
    posthog: PostHog, asked: Sequence[tuple[SeenEvent, SeenProperty]]
) -> list[tuple[SeenEvent, Split]]:
    events = [event for event, _ in asked]
    since = [sample_begins(event) for event in events]
    try:
        rows = posthog.query(
            read_sql("events", "project/parts.hogql"),
            values={
                "events": [event.name for event in events],
                "outers": [one.path[0] for _, one in asked],
                "inners": [one.path[1] if len(one.path) > 1 else "" for _, one in asked],
                "known": [
                    f"{place}:{value}"
                    for place, (_, one) in enumerate(asked, 1)
                    for value in values_of(one)
                ],
                "since": [int(begin.timestamp()) for begin in since],
                "window_start": utc_text(min(since).replace(microsecond=0)),
                "window_end": utc_text(
                    max(event.last_at for event in events) + timedelta(seconds=1)
                ),
            },
            name="leadpipe: event properties by value",
        ).decoded()
    except QueryTooHeavy:
        if len(asked) == 1:
            raise
        middle = len(asked) // 2
        return _splits(posthog, asked[:middle]) + _splits(posthog, asked[middle:])
    by_place: dict[int, list[list[object]]] = {}
    for place, *row in rows:
        by_place.setdefault(int(str(place)), []).append(row)
    return [
        (event, Split(one, samples_of(by_place.get(place, []))))
        for place, (event, one) in enumerate(asked, 1)
    ]


def sample_begins(event: SeenEvent) -> datetime:
    """From when on the event should have come often enough, if it came as often at all times."""
    share = min(1.0, _SAMPLE * _MARGIN / event.events)
    return event.last_at - (event.last_at - event.first_at) * share
