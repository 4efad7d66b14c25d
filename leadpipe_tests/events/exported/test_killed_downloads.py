"""A load by file downloads that is killed again and again ends like one that never was."""

from leadpipe.events.settings import EventsSettings
from leadpipe_tests.events.exported.kills import insert_traffic, kill_in


def test_killed_downloads_are_gone_on_with(sandbox, settings):
    """Killed within a file, while PostHog works, and just before a commit: no export twice, no event."""
    events = insert_traffic(sandbox)
    kill_in(("in a file", "unremembered"), sandbox, settings.of(EventsSettings), events=events)
