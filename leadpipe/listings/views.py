"""Which listings somebody wants to see: a view, which is an address. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import urlencode

from leadpipe.web.periods import Period, read_period

PAGE_ROWS = 25
SORTS: Mapping[str, str] = {
    "leads": "leads",
    "views": "views",
    "conversion": "conversion",
    "people": "people",
    "last": "last_activity_at",
    "listing": "listing_id",
}
_LONGEST = 200
_MOST_PAGE = 1_000_000


@dataclass(frozen=True)
class ListingsView:
    """A view of listings.

    Args:
        period: of which days.
        q: part of a listing's or lister's id.
        sort: a name of `SORTS`.
        is_up: the least first.
        page: from 1.
    """

    period: Period
    q: str = ""
    sort: str = "leads"
    is_up: bool = False
    page: int = 1

    def address(self, **changes: object) -> str:
        """The query of its address, or of the view that differs by `changes` (on its first page)."""
        view = replace(self, **({"page": 1} | changes))  # type: ignore[arg-type]
        own = urlencode([(name, value) for name, value in view.others if value])
        page = f"page={view.page}" if view.page > 1 else ""
        return "&".join(filter(None, [view.period.query, own, page]))

    @property
    def others(self) -> Sequence[tuple[str, str]]:
        """What it asks beside the period, as names and values of a form."""
        return (
            ("q", self.q),
            ("sort", "" if self.sort == "leads" else self.sort),
            ("order", "up" if self.is_up else ""),
        )

    @property
    def order(self) -> str:
        """How its listings are ordered, as SQL."""
        direction = "ASC" if self.is_up else "DESC"
        then = "" if self.sort == "views" else "views DESC, "
        return f"{SORTS[self.sort]} {direction} NULLS LAST, {then}listing_id"


def read_view(pairs: Iterable[tuple[str, str]], today: date) -> tuple[ListingsView, list[str]]:
    """The view of an address's parameters, and what of them cannot be used, a sentence each."""
    given = dict(pairs)
    period, problems = read_period(given.items(), today)
    sort = given.get("sort") or "leads"
    if sort not in SORTS:
        problems.append(f"sort should be one of {', '.join(SORTS)}; it is left out.")
        sort = "leads"
    page = given.get("page") or "1"
    if not (page.isascii() and page.isdigit() and 0 < int(page[:12]) <= _MOST_PAGE):
        problems.append(f"page should be a whole number up to {_MOST_PAGE:,}; it is left out.")
        page = "1"
    view = ListingsView(
        period=period,
        q=given.get("q", "").strip()[:_LONGEST],
        sort=sort,
        is_up=given.get("order") == "up",
        page=int(page),
    )
    return view, problems
