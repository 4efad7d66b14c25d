"""The numbers of visitors that pages show: weeks, days and sources, of one publication.

How many visitors a week has is `counted.py`'s business; what a page looks like is `visitor_pages.py`'s.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from leadpipe.charts import MIDDLE, bar_chart, line_chart
from leadpipe.visitors.counted import WeekVisitors
from leadpipe.visitors.week_rows import WeekRow, week_rows
from leadpipe.visitors.weeks import week_dates, week_of
from leadpipe.web.drawing import Chart, bars
from leadpipe.web.parts import Look, Query
from leadpipe.web.periods import Period, Total, buckets, total_of

WEEKS = 26
SIGNUP_RATE = "Signups of a week for each 100 of its visitors."
_MOST_SOURCES = 12


def week_charts(rows: Sequence[WeekRow], *, today: date) -> list[Chart]:
    """Visitors, signups, their rate and page views, a chart each."""
    labels = [week_dates(row.week) for row in rows]
    is_open = rows[-1].week >= week_of(today)
    over = f"{rows[0].dates} to {rows[-1].dates}"

    def bar(name: str, values: Sequence[int | None], note: str) -> Chart:
        draw = partial(
            bar_chart,
            labels,
            {name: values},
            title=f"{name.capitalize()} per week, {over}",
            is_last_open=is_open,
        )
        return Chart(name.capitalize(), note, draw(), draw(width=MIDDLE))

    rate = line_chart(
        labels,
        {"signups for 100 visitors": [_rounded(row.signup_rate) for row in rows]},
        title=f"Signup rate per week, {over}",
        is_last_open=is_open,
    )
    return [
        bar("visitors", [row.visitors for row in rows], "persons with a page view"),
        bar("signups", [row.signups for row in rows], "signup events"),
        Chart("Signup rate", "signups for 100 visitors", rate, hint=SIGNUP_RATE),
        bar("page views", [row.pageviews for row in rows], "of all visitors"),
    ]


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 2)


def weeks_shown(look: Look, live: Mapping[date, WeekVisitors]) -> dict[str, Any] | None:
    """The latest weeks with their charts, drawn once for the same numbers; None without any."""
    today = look.now.date()

    def make() -> dict[str, Any] | None:
        rows = week_rows(look.query, live, today=today, weeks=WEEKS)
        if not rows:
            return None
        return {
            "rows": rows[::-1],
            "charts": week_charts(rows, today=today),
        }

    return look.made(("weeks", today, tuple(sorted(live.items()))), make)


def days_shown(look: Look, period: Period) -> dict[str, Any]:
    """Totals and charts of a period's days, and where its page views came from; made once."""
    return look.made(("days", period), lambda: _days(look.query, period))


def _days(query: Query, period: Period) -> dict[str, Any]:
    rows = query(
        "SELECT date, visitors, pageviews, signups FROM visitor_days WHERE date BETWEEN $first AND $last",
        {"first": period.before[0], "last": period.last},
    )
    by_day = {
        name: {row["date"]: row[name] for row in rows}
        for name in ("visitors", "pageviews", "signups")
    }
    return {
        "is_empty": not rows,
        "totals": {name: total_of(by_day[name], period) for name in ("pageviews", "signups")},
        "a_day": _average(by_day["visitors"], period),
        "charts": _day_charts(by_day, period),
        **_sources(query, period),
    }


def _average(visitors: Mapping[date, int], period: Period) -> Total:
    """Visitors of a day, on average over the days that are over: persons of two days are two visitors."""
    total = total_of(visitors, period)
    first, last = period.over
    days = max((last - first).days + 1, 1)
    return Total(total.over / days, total.over / days, total.before / days)


def _day_charts(by_day: Mapping[str, Mapping[date, int]], period: Period) -> list[Chart]:
    cut = buckets(period)
    is_daily = all(len(days) == 1 for _, days in cut)
    charts: list[Chart] = []
    for name, heading, note in (
        ("visitors", "Visitors", "persons with a page view that day"),
        ("pageviews", "Page views", ""),
        ("signups", "Signups", ""),
    ):
        found = by_day[name]
        if name == "visitors" and not is_daily:
            continue  # persons of days cannot be summed; the weeks have them
        charts.append(
            bars(
                heading,
                [label for label, _ in cut],
                {heading.lower(): [sum(found.get(day, 0) for day in days) for _, days in cut]},
                first="Day" if is_daily else "Week",
                note=note,
                over=f"per {'day' if is_daily else 'week'}, {period.label}",
                has_across=not charts,
                is_last_open=period.is_open,
            )
        )
    return charts


def _sources(query: Query, period: Period) -> dict[str, Any]:
    """Page views and signups by source, by campaign, and by the site that led here."""
    span = {"first": period.first, "last": period.last, "most": _MOST_SOURCES}

    def by(column: str, otherwise: str, *, only_given: bool = False) -> list[dict[str, Any]]:
        given = f"AND {column} IS NOT NULL" if only_given else ""
        return query(
            f"""
            SELECT coalesce({column}, {otherwise}) AS name, sum(pageviews)::BIGINT AS pageviews,
                   sum(signups)::BIGINT AS signups
            FROM visitor_sources WHERE date BETWEEN $first AND $last {given}
            GROUP BY name ORDER BY pageviews DESC, signups DESC, name LIMIT $most
            """,
            span,
        )

    return {
        "sources": by("utm_source", "coalesce(referring_domain, 'direct or unknown')"),
        "campaigns": by("utm_campaign", "''", only_given=True),
        "media": by("utm_medium", "''", only_given=True),
        "referrers": by("referring_domain", "''", only_given=True),
    }
