"""What events say of today: days that are not proved to hold PostHog's events, in one line."""

from collections.abc import Iterator

from leadpipe.errors import ConfigurationError
from leadpipe.events.listing import days_of
from leadpipe.events.settings import EventsSettings
from leadpipe.today.parts import Line, Look, Section

_PAGE = "/admin/sync"


def today(look: Look) -> Iterator[Section | Line]:
    """The red days, or that there is none; nothing before the first sync."""
    if not look.query("SELECT event_date FROM event_days LIMIT 1"):
        return
    try:
        judged = days_of(look.query, look.settings.of(EventsSettings), now=look.now)
    except ConfigurationError as error:
        yield Line(f"The events file cannot be used: {error}", _PAGE, is_urgent=True)
        return
    wrong = [(one.event_date, verdict) for one, verdict in judged if verdict.is_wrong]
    if not wrong:
        yield Line("Every day read is proved to hold PostHog's events", _PAGE)
        return
    # One that differs is worse than one that nobody compared yet.
    day, verdict = max(wrong, key=lambda each: (each[1].word == "differs", each[0]))
    many = f"{len(wrong):,} days are" if len(wrong) > 1 else "One day is"
    yield Line(
        f"{many} not proved to hold PostHog's events: {day} {verdict}", _PAGE, is_urgent=True
    )
