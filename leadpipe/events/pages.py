"""What the web application offers of events: a sync, started on the page or by an external cron."""

from collections.abc import Mapping, Sequence
from typing import Any

from leadpipe.errors import NotPublished
from leadpipe.events.day_pages import JOB, ROUTES, has_days, judged_days, latest_days
from leadpipe.events.exported.panel import latest_files
from leadpipe.events.project.unused import Unused, told
from leadpipe.events.verdicts import FROZEN
from leadpipe.published import reading
from leadpipe.settings import Settings
from leadpipe.web.parts import Look, Pages, Panel, Sync
from leadpipe.web.state import Web

_SCHEDULE = "sync_every_six_hours"


async def _start(web: Web) -> Sequence[str]:
    return await web.runs.start_planned(JOB, _SCHEDULE)


def _result(settings: Settings, run_ids: Sequence[str]) -> Mapping[str, Any]:
    """What the syncs brought that runs of the job are parts of, added up."""
    try:
        rows = reading.query(
            settings.published_dir,
            """
            WITH syncs AS (
                SELECT DISTINCT run_id FROM run_parts WHERE list_contains($runs::VARCHAR[], attempt_id)
            )
            SELECT coalesce(sum(events_fetched), 0)::BIGINT AS events_fetched,
                   coalesce(sum(events_new), 0)::BIGINT AS events_new,
                   coalesce(sum(events_duplicate), 0)::BIGINT AS events_duplicate,
                   coalesce(sum(events_rejected), 0)::BIGINT AS events_rejected,
                   (SELECT count(*) FROM leads SEMI JOIN syncs USING (run_id)) AS lead_records,
                   (SELECT count(*) FROM listings) AS listings
            FROM runs SEMI JOIN syncs USING (run_id)
            """,
            {"runs": list(run_ids)},
        ).as_dicts()
    except NotPublished:
        return {}
    return rows[0]


def _days(look: Look) -> Mapping[str, Any] | None:
    """How many days have which verdict."""
    if not has_days(look):
        return None
    judged = judged_days(look)
    return {
        "proved": sum(verdict.is_complete for _, verdict in judged),
        "days": len(judged),
        "frozen": sum(verdict.word == FROZEN for _, verdict in judged),
        "wrong": sum(verdict.is_wrong for _, verdict in judged),
    }


def _unused(look: Look) -> Mapping[str, Any] | None:
    """The events that no table uses, until they are mapped or dismissed."""
    rows = look.query(
        "SELECT event, events_a_day FROM unused_events WHERE NOT is_dismissed "
        "ORDER BY events_a_day DESC, event"
    )
    said = told([Unused(row["event"], row["events_a_day"]) for row in rows])
    return {"told": f"{said[0].upper()}{said[1:]}"} if said else None


PAGES = Pages(
    panels=[
        Panel("facts", "events/days.html", _days),
        Panel("notice", "events/unused.html", _unused),
        Panel("section", "events/strip.html", latest_days),
        Panel("section", "events/files.html", latest_files),
    ],
    routes=ROUTES,
    script="events/days.js",
    syncs=[
        Sync(
            job=JOB,
            name="Events and leads",
            label="Only events and leads",
            purpose="Load the days with new events.",
            cron="analytics",
            methods=["POST"],
            start=_start,
            result=_result,
            shown={
                "events_new": "new events",
                "events_duplicate": "events known before",
                "events_rejected": "events without a use",
                "lead_records": "leads with something new",
            },
        )
    ],
)
