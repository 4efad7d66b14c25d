"""What visitors say of today: this week up to now, against the last one up to the same time.

Weeks begin on Mondays (UTC), as everywhere. Both are counted up to the last whole hour that was read, so that
what a sync has not brought yet does not look like a fall.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from leadpipe.text import change_text
from leadpipe.today.parts import Fact, Line, Look, Section
from leadpipe.visitors.weeks import WEEK, start_of_week, week_of

_LIST = "/visitors"
_PLACE = 30
_STEP = "No visitor yet. They are here after the first sync that finds pageviews: start one under System."
_SO_FAR = """
    SELECT coalesce(sum(visitors) FILTER (week_start = $week AND hour_at < $until), 0)::BIGINT AS visitors,
           coalesce(sum(visitors) FILTER (week_start = $before AND hour_at < $until_before), 0)::BIGINT
               AS visitors_before
    FROM visitors_by_hour WHERE week_start IN ($week, $before)
"""


def today(look: Look) -> Iterator[Section | Line]:
    """Visitors of this week so far, and of the last one up to the same time."""
    known = look.query(
        "SELECT max(read_until) AS until FROM event_days WHERE read_until <= $now",
        {"now": look.now},
    )
    read_until: datetime | None = known[0]["until"] if known else None
    if read_until is None or not look.query("SELECT 1 FROM visitors_by_hour LIMIT 1"):
        yield Section("Visitors", _LIST, _PLACE, step=_STEP)
        return
    until = min(read_until, look.now).replace(minute=0, second=0, microsecond=0)
    week = week_of((until - timedelta(microseconds=1)).date())
    [counts] = look.query(
        _SO_FAR,
        {
            "week": week,
            "before": week - WEEK,
            "until": until,
            "until_before": until - WEEK,
        },
    )
    visitors, before = counts["visitors"], counts["visitors_before"]
    days = (until - start_of_week(week)) / timedelta(days=1)
    change = f"{change_text(visitors, before)} against" if before else "none in"
    note = f"{change} the same {_part(days)} of last week" + (f" ({before:,})" if before else "")
    label = f"visitor{'' if visitors == 1 else 's'} this week so far"
    yield Section(
        "Visitors",
        _LIST,
        _PLACE,
        facts=[
            Fact(f"{visitors:,}", label, _LIST, note=note, said=f"{visitors:,} {label}, {note}")
        ],
        as_of=until,
    )


def _part(days: float) -> str:
    whole = round(days)
    return "hours" if days < 1 else "day" if whole == 1 else f"{whole} days"
