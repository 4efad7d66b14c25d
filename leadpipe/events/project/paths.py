"""Which properties events have, at any depth and PostHog's own too: by these slips of a mapping are found.

Of a sample only the names are kept, no value. What values there are is `profile.py`'s business.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

import msgspec

from leadpipe.errors import QueryTooHeavy
from leadpipe.events.mapping.model import Path
from leadpipe.events.project.asking import MOST_LOOKED_INTO, sample_begins
from leadpipe.events.project.profile import Profile, SeenEvent
from leadpipe.posthog import PostHog, utc_text
from leadpipe.text import mended_json
from leadpipe.warehouse import read_sql

_AT_ONCE = 10  # events a question: 5,000 objects, some megabytes
_DEEPEST = 20


def paths_of(
    posthog: PostHog, profile: Profile, names: Sequence[str]
) -> Mapping[str, frozenset[Path]]:
    """The ways to values in a sample of some events, by name: the first 100 of the names that came.

    Raises:
        PostHogError.
    """
    by_name = {one.name: one for one in profile.events}
    chosen = [by_name[name] for name in names if name in by_name][:MOST_LOOKED_INTO]
    found: dict[str, frozenset[Path]] = {}
    for start in range(0, len(chosen), _AT_ONCE):
        found |= _asked(posthog, chosen[start : start + _AT_ONCE])
    return found


def _asked(posthog: PostHog, events: Sequence[SeenEvent]) -> dict[str, frozenset[Path]]:
    since = {one.name: sample_begins(one) for one in events}
    try:
        rows = posthog.query(
            read_sql("events", "project/sampled_properties.hogql"),
            values={
                "events": list(since),
                "since": [int(begin.timestamp()) for begin in since.values()],
                "window_start": utc_text(min(since.values()).replace(microsecond=0)),
                "window_end": utc_text(max(one.last_at for one in events) + timedelta(seconds=1)),
            },
            name="leadpipe: properties of a sample",
        ).decoded()
    except QueryTooHeavy:
        if len(events) == 1:
            raise
        middle = len(events) // 2
        return _asked(posthog, events[:middle]) | _asked(posthog, events[middle:])
    found: dict[str, set[Path]] = {name: set() for name in since}
    for event, properties in rows:
        found[str(event)].update(paths_in(str(properties)))
    return {name: frozenset(paths) for name, paths in found.items()}


def paths_in(properties: str) -> Iterator[Path]:
    """The ways to the values of one event's properties (JSON text); to a list, too, but not to an object.

    >>> sorted(paths_in('{"a": {"b": 1, "c": null}, "$d": [{"e": 2}]}'))
    [('$d',), ('$d', '0', 'e'), ('a', 'b')]
    """
    try:
        value = msgspec.json.decode(mended_json(properties.encode()))
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return
    if isinstance(value, dict):
        yield from _within(value, ())


def _within(value: object, path: Path) -> Iterator[Path]:
    inner: Iterable[tuple[str, object]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = ((str(number), each) for number, each in enumerate(value))
    if value is not None and value != "" and not isinstance(value, dict):
        yield path
    if len(path) < _DEEPEST:
        for name, each in inner:
            yield from _within(each, (*path, name))
