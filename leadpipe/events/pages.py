"""What the web application offers of events: a sync, started on the page or by an external cron."""

from collections.abc import Mapping, Sequence
from typing import Any

from leadpipe.errors import NotPublished
from leadpipe.published import reading
from leadpipe.settings import Settings
from leadpipe.web.parts import Pages, Sync
from leadpipe.web.state import Web

_JOB = "sync"
_SCHEDULE = "sync_every_six_hours"


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


PAGES = Pages(
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
