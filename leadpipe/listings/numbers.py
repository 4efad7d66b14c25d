"""The numbers of listings that pages show, of one publication: all of them in a period, and one of them."""

from collections.abc import Mapping
from datetime import date, datetime
from itertools import count
from typing import Any

from leadpipe.listings.views import PAGE_ROWS, ListingsView
from leadpipe.warehouse import read_sql
from leadpipe.web.drawing import Chart, bars
from leadpipe.web.parts import Look, Query
from leadpipe.web.periods import Period, Total, buckets, total_of

CONVERSION = (
    "Lead actions (calls, messages, emails, appointments, website requests) for each 100 views of the same "
    "listings in the same days."
)
_TYPES = ("phone", "whatsapp", "direct_message", "email", "appointment", "website")
_ENGAGEMENT = {
    "impression_saved_listing": "saved",
    "impression_share": "shared",
    "impression_website_visit": "website visit",
    "impression_social_media": "social media",
}
_FROM = ("search", "explore", "home", "direct")
_MOST_SHARES = 10
_MOST_ASKED = 10
_MOST_TABLES = 6
_DAY_HOURS = 24
_HOURS = """
    SELECT date, hour, sum(total_views)::BIGINT AS views, sum(total_leads)::BIGINT AS leads,
           sum(total_impressions)::BIGINT AS impressions
    FROM listing_analytics
    WHERE date BETWEEN $first AND $last AND ($listing IS NULL OR listing_id = $listing)
    GROUP BY date, hour
"""
_OF_TYPES = ", ".join(
    f"sum((leads_breakdown ->> '{kind}')::BIGINT)::BIGINT AS {kind}" for kind in _TYPES
)
_PARTS = f"""
    SELECT date, {_OF_TYPES}
    FROM listing_analytics
    WHERE date BETWEEN $first AND $last AND total_leads > 0
      AND ($listing IS NULL OR listing_id = $listing)
    GROUP BY date
"""
_ORIGINS = f"""
    SELECT {", ".join(f"sum({column})::BIGINT AS {column}" for column in _ENGAGEMENT)},
           {", ".join(f"sum(views_from_{name})::BIGINT AS {name}" for name in _FROM)},
           sum(logged_in_views)::BIGINT AS logged_in, sum(total_views)::BIGINT AS views
    FROM listing_analytics
    WHERE date BETWEEN $first AND $last AND ($listing IS NULL OR listing_id = $listing)
"""
_ASKED = """
    SELECT {what} AS name, count(*) AS leads
    FROM grouped_leads
    WHERE last_action_at >= $first AND last_action_at < $last + 1 AND listing_id IS NOT NULL
      AND ($listing IS NULL OR listing_id = $listing)
    GROUP BY name ORDER BY leads DESC, name LIMIT $most
"""


def as_of(look: Look) -> datetime | None:
    """Up to when (UTC) events are known, whenever they were published; None where nothing says so."""
    found = look.query("SELECT max(read_until) AS until FROM event_days")
    return found[0]["until"] if found else None


def period_shown(look: Look, period: Period, listing: str | None = None) -> dict[str, Any]:
    """Totals, charts and breakdowns of a period's days, of one listing or all; made once."""
    key = ("listings", period, listing)
    return look.made(key, lambda: _period(look.query, period, listing))


def _period(query: Query, period: Period, listing: str | None) -> dict[str, Any]:
    span = {"first": period.first, "last": period.last, "listing": listing}
    rows = query(_HOURS, span | {"first": period.before[0]})
    by_day: dict[str, dict[date, int]] = {"views": {}, "leads": {}, "impressions": {}}
    by_hour = {"views": [0] * _DAY_HOURS, "leads": [0] * _DAY_HOURS}
    for row in rows:
        for name, days in by_day.items():
            days[row["date"]] = days.get(row["date"], 0) + row[name]
        if row["date"] >= period.first:
            for name, hours in by_hour.items():
                hours[row["hour"]] += row[name]
    totals = {name: total_of(days, period) for name, days in by_day.items()}
    kinds = query(_PARTS, span)
    [origins] = query(_ORIGINS, span) or [{}]
    return {
        "is_empty": not any(total.value for total in totals.values()),
        "totals": totals,
        "conversion": _conversion(totals["leads"], totals["views"]),
        "charts": _charts(by_day, by_hour, kinds, period),
        "breakdowns": _breakdowns(query, span, kinds, origins),
    }


def _conversion(leads: Total, views: Total) -> dict[str, float | None]:
    """Of the whole period, and of the days before it."""
    return {
        "value": leads.value * 100 / views.value if views.value else None,
        "before": leads.before * 100 / views.before if views.before else None,
    }


def _charts(
    by_day: Mapping[str, Mapping[date, int]],
    by_hour: Mapping[str, list[int]],
    kinds: list[dict[str, Any]],
    period: Period,
) -> list[Chart]:
    cut = buckets(period)
    labels = [label for label, _ in cut]
    is_daily = all(len(days) == 1 for _, days in cut)
    first, over = ("Day", "day") if is_daily else ("Week", "week")
    of_kind = {row["date"]: row for row in kinds}
    present = [kind for kind in _TYPES if any(row[kind] for row in kinds)]
    types = {
        kind.replace("_", " "): [
            sum(of_kind[day][kind] or 0 for day in days if day in of_kind) for _, days in cut
        ]
        for kind in present
    } or {"lead actions": [0 for _ in cut]}
    return [
        bars(
            "Views",
            labels,
            {"views": [sum(by_day["views"].get(day, 0) for day in days) for _, days in cut]},
            first=first,
            over=f"per {over}, {period.label}",
            has_across=True,
            is_last_open=period.is_open,
        ),
        bars(
            "Lead actions",
            labels,
            types,
            first=first,
            note="by type",
            over=f"per {over}, {period.label}",
            is_stacked=True,
            is_last_open=period.is_open,
        ),
        bars(
            "Hours of the day",
            [f"{hour}" for hour in range(_DAY_HOURS)],
            {"views": by_hour["views"], "lead actions": by_hour["leads"]},
            first="Hour",
            note="UTC",
            over=period.label,
            is_latest_first=False,
        ),
    ]


def _breakdowns(
    query: Query,
    span: Mapping[str, object],
    kinds: list[dict[str, Any]],
    origins: Mapping[str, Any],
) -> list[tuple[str, str, list[tuple[str, int]], str, int]]:
    """Name, what its rows are, rows with their values, of what, and the whole."""

    def ordered(pairs: Mapping[str, int]) -> list[tuple[str, int]]:
        return sorted([each for each in pairs.items() if each[1]], key=lambda each: -each[1])

    def asked(what: str) -> list[tuple[str, int]]:
        rows = query(_ASKED.format(what=what), {**span, "most": _MOST_SHARES})
        return [(row["name"], row["leads"]) for row in rows]

    types = {kind.replace("_", " "): sum(row[kind] or 0 for row in kinds) for kind in _TYPES}
    views = origins.get("views") or 0
    told = {name: origins.get(name) or 0 for name in _FROM}
    engaged = {name: origins.get(column) or 0 for column, name in _ENGAGEMENT.items()}
    found = [
        ("What people did", "Action", ordered(types), "Lead actions"),
        (
            "Where views came from",
            "From",
            ordered({**told, "not told": views - sum(told.values())}),
            "Views",
        ),
        ("What else they did", "Engagement", ordered(engaged), "Times"),
        ("Listers", "Lister", asked("coalesce(lister_id, 'not told')"), "Leads"),
        ("Sources of leads", "utm_source", asked("coalesce(last_utm_source, 'none')"), "Leads"),
    ]
    return [(*each, sum(value for _, value in each[2])) for each in found]


def listings_shown(look: Look, view: ListingsView) -> dict[str, Any]:
    """The rows of a page of the list, and how many there are."""
    table = _table(look, view.period)
    values: dict[str, object] = {"q": view.q.lower()}
    [found] = look.query(
        f"SELECT count(*) AS listings FROM {table} WHERE contains(words, $q)", values
    ) or [{"listings": 0}]
    rows = look.query(
        f"SELECT * FROM {table} WHERE contains(words, $q) ORDER BY {view.order} "
        "LIMIT $rows OFFSET $skipped",
        values | {"rows": PAGE_ROWS, "skipped": (view.page - 1) * PAGE_ROWS},
    )
    for row in rows:
        for name in ("views", "leads"):
            row[f"{name}_total"] = Total(row[name], row[f"{name}_over"], row[f"{name}_before"])
    return {
        "rows": rows,
        "total": found["listings"],
        "pages": max(-(-found["listings"] // PAGE_ROWS), 1),
    }


def listings_csv(look: Look, view: ListingsView) -> list[dict[str, Any]]:
    """All rows of a view, as a file has them."""
    return look.query(
        "SELECT listing_id, lister_id, views, views_before, leads AS lead_actions, "
        "leads_before AS lead_actions_before, conversion, people AS people_all_time, last_activity_at "
        f"FROM {_table(look, view.period)} WHERE contains(words, $q) ORDER BY {view.order}",
        {"q": view.q.lower()},
    )


def _table(look: Look, period: Period) -> str:
    """A table of the connection's own with all listings in a period: made once, the oldest given up."""
    numbers = look.made("listings tables", count)
    names: dict[Period, str] = look.made("listings in tables", dict)
    if period not in names:
        if len(names) >= _MOST_TABLES:
            look.query(f"DROP TABLE IF EXISTS {names.pop(next(iter(names)))}")
        first, last = period.before
        name = f"listings_of_period_{next(numbers)}"
        look.query(
            f"CREATE TABLE {name} AS {read_sql('listings', 'listings_of_period.sql')}",
            {
                "first": period.first,
                "last": period.last,
                "over": period.over[1],
                "before_first": first,
                "before_last": last,
            },
        )
        names[period] = name
    return names[period]


def one_listing(look: Look, listing: str) -> dict[str, Any] | None:
    """A listing over all time, who has it, and who asked last; None where there is no such listing."""

    def make() -> dict[str, Any] | None:
        rows = look.query(
            "SELECT listing_id, total_views, unique_views, total_leads, unique_leads, conversion_rate, "
            "total_sales, sales_value, first_activity_at, last_activity_at FROM listings "
            "WHERE listing_id = $listing",
            {"listing": listing},
        )
        if not rows:
            return None
        asked = look.query(
            "SELECT lead_id, seeker_id, lister_id, lead_score, total_actions, lead_types, last_action_at, "
            "last_utm_source FROM grouped_leads WHERE listing_id = $listing "
            "ORDER BY last_action_at DESC, lead_id LIMIT $most",
            {"listing": listing, "most": _MOST_ASKED},
        )
        [leads] = look.query(
            "SELECT count(*) AS leads, arg_max(lister_id, last_action_at) AS lister_id FROM grouped_leads "
            "WHERE listing_id = $listing",
            {"listing": listing},
        ) or [{"leads": 0, "lister_id": None}]
        return rows[0] | {"asked": asked, "leads": leads["leads"], "lister_id": leads["lister_id"]}

    return look.made(("listing", listing), make)


def hours_csv(look: Look, listing: str, period: Period) -> list[dict[str, Any]]:
    """The hours of a listing in a period, as a file has them."""
    return look.query(
        "SELECT date, hour, total_views, unique_views, total_impressions, total_leads, unique_leads, "
        "phone_leads, message_leads, email_leads, appointment_leads, website_leads, conversion_rate "
        "FROM listing_analytics WHERE listing_id = $listing AND date BETWEEN $first AND $last "
        "ORDER BY date, hour",
        {"listing": listing, "first": period.first, "last": period.last},
    )
