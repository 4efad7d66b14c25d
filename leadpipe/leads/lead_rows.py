"""What the list of leads shows of a view: a page of rows, how many there are by status, and all as a file."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from leadpipe.csv_cells import csv_cell
from leadpipe.errors import NotPublished
from leadpipe.leads.book import LeadBook
from leadpipe.leads.views import PAGE_ROWS, LeadsView

_COLUMNS = (
    "lead_id, listing, listing_id, seeker_id, lister_id, lead_score, total_actions, lead_types, "
    "last_action_at, first_action_at, last_utm_source, status, status_version, status_changed_by, "
    "status_changed_at"
)
_EXPORTED = (
    "lead_id, listing_id, seeker_id, lister_id, lister_type, lead_score, total_actions, lead_types, "
    "first_action_at, last_action_at, last_action_type, first_utm_source, last_utm_source, status, "
    "status_changed_by, status_changed_at, first_response_seconds"
)
_MOST_SOURCES = 50


@dataclass(frozen=True)
class ShownLeads:
    """A page of a view.

    Args:
        rows: of the page, a dict each.
        counts: leads by status, as if the view asked for any.
        total: of the view.
        sources: what one can choose, the most frequent first.
        as_of: up to when (UTC) events were read; None where nothing says so.
        is_published: whether there is anything to read yet.
    """

    rows: Sequence[Mapping[str, Any]] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    total: int = 0
    sources: Sequence[str] = ()
    as_of: datetime | None = None
    is_published: bool = False

    @property
    def pages(self) -> int:
        """How many pages the view has; one at least."""
        return max(-(-self.total // PAGE_ROWS), 1)


def shown_leads(book: LeadBook, view: LeadsView, *, now: datetime, zone: str) -> ShownLeads:
    """The page of a view that it asks for.

    Args:
        book: the leads.
        view: which of them.
        now: the moment (UTC).
        zone: whose days the view's are (IANA).
    """
    try:
        with book.reading() as ask:
            where, values = view.where(now, zone, but_status=True)
            found = ask(
                f"SELECT status, count(*) FROM leads_now WHERE {where} GROUP BY status", values
            ).rows
            counts = {str(status): int(str(count)) for status, count in found}
            where, values = view.where(now, zone)
            rows = ask(
                f"SELECT {_COLUMNS} FROM leads_now WHERE {where} ORDER BY {view.order} "
                "LIMIT $rows OFFSET $skipped",
                values | {"rows": PAGE_ROWS, "skipped": (view.page - 1) * PAGE_ROWS},
            ).as_dicts()
            sources = ask(
                "SELECT last_utm_source FROM lead_sources LIMIT $most", {"most": _MOST_SOURCES}
            ).rows
    except NotPublished:
        return ShownLeads()
    return ShownLeads(
        rows,
        counts,
        sum(count for status, count in counts.items() if not view.status or status in view.status),
        [str(source) for (source,) in sources],
        book.as_of(),
        is_published=True,
    )


def leads_csv(book: LeadBook, view: LeadsView, *, now: datetime, zone: str) -> tuple[str, int]:
    """All leads of a view as CSV that a spreadsheet may open, and how many there are.

    Raises:
        NotPublished: no run has published anything yet.
    """
    where, values = view.where(now, zone)
    with book.reading() as ask:
        rows = ask(f"SELECT {_EXPORTED} FROM leads_now WHERE {where} ORDER BY {view.order}", values)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(rows.columns)
    writer.writerows([csv_cell(value) for value in row] for row in rows.rows)
    return file.getvalue(), len(rows.rows)


def lead_names(book: LeadBook, lead_ids: list[str]) -> dict[str, str]:
    """What leads are called on the page: listing and seeker."""
    with book.reading() as ask:
        rows = ask(
            "SELECT lead_id, listing || ' · ' || seeker_id FROM lead_list "
            "WHERE lead_id IN (SELECT unnest($leads::VARCHAR[]))",
            {"leads": lead_ids},
        ).rows
    return {str(lead_id): str(name) for lead_id, name in rows}
