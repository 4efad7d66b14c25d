"""What the web application offers of events: a sync, started on the page or by an external cron."""

from collections.abc import Mapping, Sequence
from typing import Any

from leadpipe.errors import NotPublished
from leadpipe.events.project.unused import Unused, told
from leadpipe.published import reading
from leadpipe.settings import Settings
from leadpipe.web.parts import Look, Pages, Panel, Sync
from leadpipe.web.state import Web

_JOB = "sync"
_SCHEDULE = "sync_every_six_hours"


async def _start(web: Web) -> Sequence[str]:
    return await web.runs.start_planned(_JOB, _SCHEDULE)


def _result(settings: Settings, run_ids: Sequence[str]) -> Mapping[str, Any]:
    """What runs of the sync job brought, added up."""
    try:
        rows = reading.query(
            settings.published_dir,
            """
            SELECT coalesce(sum(events_fetched), 0)::BIGINT AS events_fetched,
                   coalesce(sum(events_new), 0)::BIGINT AS events_new,
                   coalesce(sum(events_duplicate), 0)::BIGINT AS events_duplicate,
                   coalesce(sum(events_rejected), 0)::BIGINT AS events_rejected,
                   (SELECT count(*) FROM leads WHERE list_contains($runs::VARCHAR[], run_id)) AS lead_records,
                   (SELECT count(*) FROM listings) AS listings
            FROM runs WHERE list_contains($runs::VARCHAR[], run_id)
            """,
            {"runs": list(run_ids)},
        ).as_dicts()
    except NotPublished:
        return {}
    return rows[0]


def _unused(look: Look) -> Mapping[str, Any] | None:
    """The events that no table uses, until they are mapped or dismissed."""
    rows = look.query(
        "SELECT event, events_a_day FROM unused_events WHERE NOT is_dismissed "
        "ORDER BY events_a_day DESC, event"
    )
    said = told([Unused(row["event"], row["events_a_day"]) for row in rows])
    return {"told": f"{said[0].upper()}{said[1:]}"} if said else None


PAGES = Pages(
    panels=[Panel("notice", "events/unused.html", _unused)],
    syncs=[
        Sync(
            job=_JOB,
            name="Event sync",
            label="Sync events",
            purpose="Load the days with new events.",
            cron="analytics",
            methods=["POST"],
            start=_start,
            result=_result,
            shown=("events_new", "events_duplicate", "events_rejected", "lead_records"),
        )
    ],
    first_step="Press <strong>Sync events</strong> for leads and listings. "
    "The first one reads a year of events.",
)
