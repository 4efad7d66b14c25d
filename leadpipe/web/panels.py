"""The panels of the page: what each reads from the published tables, and its charts.

How a panel is laid out is its template's business, what a chart looks like is `leadpipe.charts`'.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from leadpipe.charts import bar_chart, line_chart
from leadpipe.weeks import week_name, week_of

Query = Callable[..., list[dict[str, Any]]]

_WEEKS = 26
_DAYS = 30
_LISTINGS = 10
_DRAWS = 10
_DELIVERY_STATES = ("succeeded", "pending", "sent", "retrying", "unknown", "failed")
_LEAD_TYPES = ("phone", "whatsapp", "direct_message", "email", "appointment", "website")


def weeks(query: Query, now: datetime) -> dict[str, Any] | None:
    """Visitors, signups and their rate over the latest weeks."""
    rows = query(
        "SELECT week_start, visitors, pageviews, signups, conversion_rate, source FROM visitor_metrics "
        "ORDER BY week_start DESC LIMIT $weeks",
        {"weeks": _WEEKS},
    )[::-1]
    if not rows:
        return None
    for row in rows:
        row["week"] = week_name(row["week_start"])
    labels = [row["week"].partition("-")[2] for row in rows]
    bars = partial(bar_chart, is_last_open=rows[-1]["week_start"] >= week_of(now.date()))
    charts: list[tuple[str, Callable[..., str], str, str]] = [
        ("Visitors", bars, "visitors", "persons with a pageview"),
        ("Signups", bars, "signups", "signup events"),
        ("Conversion", line_chart, "conversion_rate", "signups per 100 visitors"),
    ]
    return {
        "rows": rows[::-1],
        "charts": [
            {
                "heading": heading,
                "note": note,
                "svg": draw(
                    labels,
                    {heading.lower(): [row[column] for row in rows]},
                    title=f"{heading} per week, {rows[0]['week']} to {rows[-1]['week']}",
                ),
            }
            for heading, draw, column, note in charts
        ],
    }


def leads_by_day(query: Query, now: datetime) -> dict[str, Any] | None:
    """Lead actions of the latest days by type, days without any included."""
    today = now.date()
    days = [today - timedelta(days=before) for before in range(_DAYS - 1, -1, -1)]
    found = query(
        """
        WITH actions AS (
            SELECT unnest(CAST(lead_actions AS JSON[])) AS action
            FROM leads WHERE last_action_date >= $first_day
        )
        SELECT CAST(left(action ->> 'timestamp', 10) AS DATE) AS day, count(*) AS actions,
               coalesce(action ->> 'message_type', replace(action ->> 'action_type', 'lead_', '')) AS kind
        FROM actions WHERE day BETWEEN $first_day AND $last_day GROUP BY ALL
        """,
        {"first_day": days[0], "last_day": today},
    )
    if not found:
        return None
    counts = {(row["day"], row["kind"]): row["actions"] for row in found}
    present = {kind for _, kind in counts}
    kinds = [kind for kind in _LEAD_TYPES if kind in present]
    table: list[dict[str, Any]] = [
        {"day": day, "counts": [counts.get((day, kind), 0) for kind in kinds]} for day in days
    ]
    names = [kind.replace("_", " ") for kind in kinds]
    chart = partial(
        bar_chart,
        [f"{day.day} {day:%b}" for day in days],
        {name: [row["counts"][n] for row in table] for n, name in enumerate(names)},
        title=f"Leads per day by type, {days[0]} to {today}",
        is_stacked=True,
        is_last_open=True,
    )
    return {
        "names": names,
        "rows": table[::-1],
        "total": sum(counts.values()),
        "days": _DAYS,
        "wide": chart(is_wide=True),
        "narrow": chart(),
    }


def top_listings(query: Query, now: datetime) -> dict[str, Any] | None:
    """The listings with most leads over all time."""
    del now
    rows = query(
        "SELECT listing_id, total_views, unique_views, total_leads, conversion_rate FROM listings "
        "ORDER BY total_leads DESC, total_views DESC, listing_id LIMIT $listings",
        {"listings": _LISTINGS},
    )
    if not rows:
        return None
    most = {name: max(row[name] for row in rows) for name in ("total_views", "total_leads")}
    return {"rows": rows, "most": most}


def deliveries(query: Query, now: datetime) -> dict[str, Any] | None:
    """How many leads are in which state of delivery."""
    del now
    rows = query("SELECT state, count(*) AS leads FROM lead_deliveries GROUP BY state")
    if not rows:
        return None
    counts = {row["state"]: row["leads"] for row in rows}
    return {"counts": [(name, counts[name]) for name in _DELIVERY_STATES if name in counts]}


def latest_draws(query: Query, now: datetime) -> dict[str, Any] | None:
    """The latest draws, with how many have won."""
    del now
    rows = query(
        """
        SELECT draw_date, status, participants, total_entries,
               count(winner.rank) FILTER (NOT winner.is_runner_up) AS winners
        FROM draws LEFT JOIN draw_winners AS winner USING (draw_id, draw_date)
        GROUP BY ALL ORDER BY draw_date DESC, status LIMIT $draws
        """,
        {"draws": _DRAWS},
    )
    return {"rows": rows} if rows else None
