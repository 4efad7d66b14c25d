"""What the web application offers of events: a sync, started on the page or by an external cron."""

from collections.abc import Mapping, Sequence
from typing import Any

from leadpipe.errors import NotPublished
from leadpipe.events.listing import days_of
from leadpipe.events.project.unused import Unused, told
from leadpipe.events.settings import EventsSettings
from leadpipe.events.verdicts import FROZEN
from leadpipe.published import reading
from leadpipe.settings import Settings
from leadpipe.web.parts import Look, Pages, Panel, Sync
from leadpipe.web.state import Web

_JOB = "sync"
_SCHEDULE = "sync_every_six_hours"
_MOST_DAYS = 5


async def _start(web: Web) -> Sequence[str]:
    return await web.runs.start_planned(_JOB, _SCHEDULE)


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
    """How many days have which verdict, and the latest ones that are not proved."""
    if not look.query("SELECT event_date FROM event_days LIMIT 1"):
        return None
    judged = days_of(look.query, look.web.settings.of(EventsSettings), now=look.now)
    wrong = [(one, verdict) for one, verdict in judged[::-1] if verdict.is_wrong]
    return {
        "proved": sum(verdict.is_complete for _, verdict in judged),
        "days": len(judged),
        "frozen": sum(verdict.word == FROZEN for _, verdict in judged),
        "wrong": len(wrong),
        "latest": [
            {"day": one.event_date, "verdict": str(verdict), "since": one.differs_since}
            for one, verdict in wrong[:_MOST_DAYS]
        ],
    }


def _wrong_days(look: Look) -> Mapping[str, Any] | None:
    days = _days(look)
    return days if days and days["wrong"] else None


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
        Panel("notice", "events/notice.html", _wrong_days),
        Panel("notice", "events/unused.html", _unused),
    ],
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
