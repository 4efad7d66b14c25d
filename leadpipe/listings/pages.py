"""What listings bring to the web application: their pages, and a panel with those that have most leads."""

from typing import Any

from leadpipe.listings.listing_pages import LIST, ROUTES
from leadpipe.listings.numbers import CONVERSION, as_of
from leadpipe.web.parts import Look, NavItem, Pages, Panel

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
    return {"rows": rows, "most": most, "conversion": CONVERSION, "as_of": as_of(look)}


PAGES = Pages(
    routes=ROUTES,
    nav=[NavItem("Listings", LIST, 20)],
    panels=[Panel("section", "listings/panel.html", _top_listings)],
)
