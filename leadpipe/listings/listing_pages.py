"""`/listings` and `/listings/{id}`: all listings in a period, one with its hours, and both as files."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leadpipe.csv_cells import csv_cell
from leadpipe.errors import NotPublished
from leadpipe.listings.numbers import (
    CONVERSION,
    as_of,
    hours_csv,
    listings_csv,
    listings_shown,
    one_listing,
    period_shown,
)
from leadpipe.listings.views import ListingsView, read_view
from leadpipe.published.reading import current_publication
from leadpipe.web.answers import Refusal
from leadpipe.web.overview import looking
from leadpipe.web.periods import LENGTHS, Period, read_period
from leadpipe.web.rendering import render
from leadpipe.web.sessions import only_logged_in
from leadpipe.web.state import Web, state_of

LIST = "/listings"
_HOURS = "/listings-hours.csv"


async def _show_list(request: Request) -> Response:
    """The listings of a view; the address is the view."""
    web = state_of(request)
    view, problems = read_view(request.query_params.multi_items(), web.clock().date())
    content = await run_in_threadpool(_list_content, web, view)
    return render(
        request,
        "listings/list.html",
        content | _frame(web) | {"view": view, "period": view.period, "problems": problems},
    )


def _list_content(web: Web, view: ListingsView) -> dict[str, Any]:
    with looking(web) as look:
        return {
            "shown": period_shown(look, view.period),
            "as_of": as_of(look),
            **listings_shown(look, view),
        }


async def _show_listing(request: Request) -> Response:
    """One listing in a period."""
    web = state_of(request)
    listing = str(request.path_params["listing_id"])
    period, problems = read_period(request.query_params.multi_items(), web.clock().date())
    content = await run_in_threadpool(_listing_content, web, listing, period)
    if content["one"] is None:
        return render(request, "listings/missing.html", {"listing": listing}, status=404)
    return render(
        request,
        "listings/listing.html",
        content
        | _frame(web)
        | {
            "period": period,
            "problems": problems,
            "has_leads": _leads_lead_on(web),
            "hours_csv": _HOURS,
        },
    )


def _listing_content(web: Web, listing: str, period: Period) -> dict[str, Any]:
    with looking(web) as look:
        one = one_listing(look, listing)
        shown = period_shown(look, period, listing) if one else {}
        return {"one": one, "shown": shown, "as_of": as_of(look)}


async def _export_list(request: Request) -> Response:
    """The listings of a view as a CSV file that a spreadsheet may open, all pages of it."""
    web = state_of(request)
    view, problems = read_view(request.query_params.multi_items(), web.clock().date())
    if problems:
        raise Refusal(400, " ".join(problems))

    def rows() -> list[dict[str, Any]]:
        with looking(web) as look:
            return listings_csv(look, view)

    return _file("listings.csv", await run_in_threadpool(rows))


async def _export_hours(request: Request) -> Response:
    """The hours of `?listing=…` in a period as a CSV file."""
    web = state_of(request)
    period, problems = read_period(request.query_params.multi_items(), web.clock().date())
    listing = request.query_params.get("listing", "")
    if not listing:
        problems.append("listing should say which one.")
    if problems:
        raise Refusal(400, " ".join(problems))

    def rows() -> list[dict[str, Any]]:
        with looking(web) as look:
            if one_listing(look, listing) is None:
                raise HTTPException(404)
            return hours_csv(look, listing, period)

    return _file("hours.csv", await run_in_threadpool(rows))


def _file(name: str, rows: Sequence[dict[str, Any]]) -> Response:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(rows[0] if rows else ["nothing in these days"])
    writer.writerows([csv_cell(value) for value in row.values()] for row in rows)
    return Response(
        file.getvalue().encode(),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


def _frame(web: Web) -> dict[str, Any]:
    """What both pages say beside their numbers."""
    try:
        _, published_at = current_publication(web.settings.published_dir)
    except NotPublished:
        published_at = None
    return {
        "lengths": LENGTHS,
        "conversion": CONVERSION,
        "published_at": published_at,
    }


def _leads_lead_on(web: Web) -> bool:
    """Whether there are pages of leads to lead to."""
    return any(
        getattr(route, "path", "") == "/leads" for pages in web.pages for route in pages.routes
    )


ROUTES = [
    Route(LIST, only_logged_in(_show_list)),
    Route(f"{LIST}.csv", only_logged_in(_export_list)),
    Route(_HOURS, only_logged_in(_export_hours)),
    Route(f"{LIST}/{{listing_id:path}}", only_logged_in(_show_listing)),
]
