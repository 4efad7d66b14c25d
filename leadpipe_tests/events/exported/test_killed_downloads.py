"""A load by file downloads that is killed again and again ends like one that never was."""

from leadpipe.events.settings import EventsSettings
from leadpipe_tests.events.exported.kills import insert_traffic, kill_in


def test_killed_downloads_are_gone_on_with(sandbox, settings):
    """Killed before PostHog's answer is noted, within a file, and just before a commit: nothing is twice."""
    events = insert_traffic(sandbox)
    phases = ("unanswered", "in a file", "unremembered")
    kill_in(phases, sandbox, settings.of(EventsSettings), events=events)
