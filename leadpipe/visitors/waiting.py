"""The live count over the webhook inbox: which of what waits is a page view, by the mapping."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from leadpipe.events.mapping.meant import meant
from leadpipe.events.mapping.model import EventMapping
from leadpipe.inbox.store import Inbox, Waiting
from leadpipe.visitors.live import LiveVisitors, WaitingPageview


def live_visitors(published: Path, inbox: Inbox, mapping: EventMapping) -> LiveVisitors:
    """Visitors per week of what is published and of what waits.

    Args:
        published: the folder of publications.
        inbox: where pageviews wait.
        mapping: which events are page views.
    """

    def waiting(after: int) -> list[WaitingPageview]:
        return [
            WaitingPageview(event.number, event.day, event.person_id, event.distinct_id)
            for event in _pageviews(inbox.take(after=after), mapping)
        ]

    return LiveVisitors(published, waiting)


def _pageviews(waiting: Iterable[Waiting], mapping: EventMapping) -> Iterator[Waiting]:
    """The page views among what waits; properties are looked at only of events that have a filter."""
    names = mapping.names_of("pageview")
    by_name = {name for name in names if not mapping.events[name][0].where}
    found = [event for event in waiting if event.event in names]
    filtered = [event for event in found if event.event not in by_name]
    said = meant(mapping, [(event.event, json.loads(event.wire)[-1]) for event in filtered])
    others = {
        event.number for event, one in zip(filtered, said, strict=True) if one.meaning != "pageview"
    }
    return (event for event in found if event.number not in others)
