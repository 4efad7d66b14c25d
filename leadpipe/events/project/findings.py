"""What `leadpipe check` says of a team's own events: those no table uses, and slips of its file."""

from collections.abc import Iterator
from datetime import datetime

from leadpipe.cli.findings import Finding
from leadpipe.errors import NotPublished, PostHogError
from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.project.asking import ask_names
from leadpipe.events.project.paths import paths_of
from leadpipe.events.project.trying import own_events, slips
from leadpipe.events.project.unused import NEXT_STEP, Unused, told, unused_of
from leadpipe.posthog import PostHog
from leadpipe.published import reading
from leadpipe.settings import Settings


def of_project(
    settings: Settings, mapping: EventMapping, posthog: PostHog | None, *, now: datetime
) -> Iterator[Finding]:
    """Slips of the mapping as far as PostHog can be asked, and what no table uses.

    The latter is what the last sync has published; before the first one PostHog is asked.
    """
    own = own_events(mapping)
    unused = _published(settings, mapping)
    if posthog is not None and (own or unused is None):
        try:
            profile = ask_names(posthog, now=now)
            paths = paths_of(posthog, profile, list(own))
        except PostHogError as error:
            yield Finding("warning", "events", str(error))
            return
        for slip in slips(mapping, profile, paths):
            yield Finding("warning", "events file", slip)
        if unused is None:
            unused = unused_of(profile, mapping, now=now)
    if said := told(unused or []):
        yield Finding("warning", "events", f"{said}; {NEXT_STEP}")


def _published(settings: Settings, mapping: EventMapping) -> list[Unused] | None:
    """What the last sync saw that no table uses; None before the first one."""
    try:
        rows = reading.query(
            settings.published_dir,
            "SELECT event, events_a_day FROM unused_events WHERE NOT is_dismissed "
            "ORDER BY events_a_day DESC, event",
        ).rows
    except NotPublished:
        return None
    return [
        Unused(str(event), float(str(a_day)))
        for event, a_day in rows
        if str(event) not in mapping.events
    ]
