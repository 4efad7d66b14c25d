"""Which number of visitors a week has: one for the headline, the bars, the tables and the command line.

There are two counts of a week: PostHog's own, made at a sync, and the live one of the events that are here.
Both count the same persons, at different moments. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from leadpipe.visitors.weeks import WEEK, start_of_week


@dataclass(frozen=True)
class Counted:
    """A row of `visitor_metrics`: how many, who counted (`posthog`, `manual`), and when last."""

    visitors: int
    source: str
    counted_at: datetime


@dataclass(frozen=True)
class WeekVisitors:
    """A week's number.

    Args:
        visitors: distinct persons with a page view.
        source: who counted: `posthog`, `manual`, or `live`.
        as_of: when it was counted; None for the live count, which is of this moment.
    """

    visitors: int
    source: str
    as_of: datetime | None


def weeks_of(live: Mapping[date, int], counted: Mapping[date, Counted]) -> dict[date, WeekVisitors]:
    """The number of each week that has any, by its Monday.

    A week that PostHog counted after its end, or a person by hand, has that count. Any other grows while it
    is looked at, and has the greater of the two: the one that knows more of it.
    """
    found = {}
    for week in {*live, *counted}:
        here, there = live.get(week, 0), counted.get(week)
        if there is not None and (
            there.source == "manual"
            or there.counted_at >= start_of_week(week + WEEK)
            or there.visitors > here
        ):
            found[week] = WeekVisitors(there.visitors, there.source, there.counted_at)
        else:
            found[week] = WeekVisitors(here, "live", None)
    return found


def counted_weeks(rows: Iterable[Mapping[str, Any]]) -> dict[date, Counted]:
    """The weeks of rows of `visitor_metrics`, also as an older leadpipe has published them."""
    return {
        row["week_start"]: Counted(
            row["visitors"], row["source"], row.get("counted_at") or row["updated_at"]
        )
        for row in rows
    }
