"""What the panel of the week under way shows: its visitors, and the weeks before."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from leadpipe.visitors.weeks import parse_week, week_dates

_WEEKS_BEFORE = 4


def live_content(live: Mapping[str, Any], *, today: date) -> dict[str, Any]:
    """The live count, as the feed gives it, and the weeks before: name, dates, visitors."""
    before = [(week, count) for week, count in live["weeks"].items() if week < live["week"]]
    return {
        **live,
        "before": [
            (week, week_dates(parse_week(week), today=today), count)
            for week, count in before[: -_WEEKS_BEFORE - 1 : -1]
        ],
        "most": max((count for _, count in before), default=0) or 1,
    }
