"""What leads bring to the web application: their pages, and a panel with how many came in on each day."""

from datetime import date, timedelta
from functools import partial
from typing import Any

from leadpipe.charts import WIDE, bar_chart
from leadpipe.leads.lead_pages import ROUTES, running
from leadpipe.leads.views import LIST
from leadpipe.web.parts import Look, NavItem, Pages, Panel

_DAYS = 30
_LEAD_TYPES = ("phone", "whatsapp", "direct_message", "email", "appointment", "website")


def _leads_by_day(look: Look) -> dict[str, Any] | None:
    """Lead actions of the latest days by type, days without any included; drawn once."""
    today = look.now.date()
    return look.made(("leads by day", today), lambda: _drawn(look, today))


def _drawn(look: Look, today: date) -> dict[str, Any] | None:
    days = [today - timedelta(days=before) for before in range(_DAYS - 1, -1, -1)]
    found = look.query(
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
    known = look.query("SELECT max(read_until) AS until FROM event_days")
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
        "as_of": known[0]["until"] if known else None,
        "wide": chart(width=WIDE),
        "narrow": chart(),
    }


PAGES = Pages(
    routes=ROUTES,
    nav=[NavItem("Leads", LIST, 10)],
    panels=[Panel("section", "leads/panel.html", _leads_by_day)],
    page_scripts=["leads/leads.js"],
    running=running,
)
