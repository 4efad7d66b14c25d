"""Weeks as pages and commands show them: one number of visitors each, and what goes with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from leadpipe.visitors.counted import WeekVisitors, counted_weeks, weeks_of
from leadpipe.visitors.weeks import week_dates

Ask = Callable[..., Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class WeekRow:
    """A week as pages show it; `pageviews` is None where nobody counted them."""

    week: date
    dates: str
    visitors: int
    pageviews: int | None
    signups: int
    source: str
    as_of: datetime | None

    @property
    def signup_rate(self) -> float | None:
        """Signups for each hundred visitors; None without visitors."""
        return self.signups * 100 / self.visitors if self.visitors else None


def week_rows(
    ask: Ask, live: Mapping[date, WeekVisitors], *, today: date, weeks: int
) -> list[WeekRow]:
    """The latest weeks in order, each with one number of visitors, wherever it is shown.

    A week that PostHog's count does not have yet, or only in part, has its page views and signups from the
    events that are here.
    """
    stored = {
        row["week_start"]: row
        for row in ask(
            "SELECT * FROM visitor_metrics WHERE week_start <= $today "
            "ORDER BY week_start DESC LIMIT $weeks",
            {"today": today, "weeks": weeks},
        )
    }
    here = {
        row["week"]: row
        for row in ask(
            """
            SELECT CAST(date_trunc('week', date) AS DATE) AS week, sum(pageviews)::BIGINT AS pageviews,
                   sum(signups)::BIGINT AS signups
            FROM visitor_days WHERE date >= $first GROUP BY week
            """,
            {"first": min(live, default=today)},
        )
    }
    latest = [each for each in {*stored, *live} if each <= today]
    numbers = {**weeks_of({}, counted_weeks(stored.values())), **live}
    found = []
    for week in sorted(latest)[-weeks:]:
        one, counted, events = numbers[week], stored.get(week), here.get(week)
        pageviews = counted["pageviews"] if counted else 0
        signups = counted["signups"] if counted else 0
        if one.source == "live" and events:
            pageviews = max(pageviews or 0, events["pageviews"])
            signups = max(signups, events["signups"])
        found.append(
            WeekRow(
                week,
                week_dates(week, today=today),
                one.visitors,
                pageviews,
                signups,
                one.source,
                one.as_of,
            )
        )
    return found
