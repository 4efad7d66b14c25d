"""What the page shows of listings: those with most leads."""

from typing import Any

from leadpipe.web.parts import Look, Pages, Panel

_LISTINGS = 10


def _top_listings(look: Look) -> dict[str, Any] | None:
    """The listings with most leads over all time."""
    rows = look.query(
        "SELECT listing_id, total_views, unique_views, total_leads, conversion_rate FROM listings "
        "ORDER BY total_leads DESC, total_views DESC, listing_id LIMIT $listings",
        {"listings": _LISTINGS},
    )
    if not rows:
        return None
    most = {name: max(row[name] for row in rows) for name in ("total_views", "total_leads")}
    return {"rows": rows, "most": most}


PAGES = Pages(panels=[Panel("section", "listings/panel.html", _top_listings)])
