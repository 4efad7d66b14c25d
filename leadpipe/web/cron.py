"""`/api/cron/…`: start a sync from an external cron, wait for it, and answer with its statistics."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from leadpipe.errors import NotPublished
from leadpipe.published import reading
from leadpipe.settings import Settings
from leadpipe.web.answers import Refusal, answer
from leadpipe.web.dagster_runs import DagsterUnavailable, RunProgress
from leadpipe.web.guards import check_secret
from leadpipe.web.state import Web, state_of
from leadpipe.weeks import weeks_between

VISITORS_JOB = "visitors"
SYNC_JOB = "sync"
SYNC_SCHEDULE = "sync_every_six_hours"
_WAIT_SECONDS = 300.0
_LONGEST_WAIT_SECONDS = 3_600.0


async def sync_visitors(request: Request) -> Response:
    """`GET` or `POST /api/cron/sync-visitors`: compare all weeks with PostHog's count."""
    web = state_of(request)
    check_secret(web, request, web.settings.cron_secret, "CRON_SECRET")
    try:
        run_id = await start_visitors(web)
        progress = await web.runs.wait(run_id, seconds=_patience(request))
    except DagsterUnavailable as error:
        raise Refusal(503, str(error)) from None
    result = await run_in_threadpool(visitor_result, web.settings, run_id)
    return _finished([progress], result or {})


async def sync_events(request: Request) -> Response:
    """`POST /api/cron/analytics`: load the days with new events, build leads and listing analytics."""
    web = state_of(request)
    check_secret(web, request, web.settings.cron_secret, "CRON_SECRET")
    try:
        run_ids = await web.runs.start_planned(SYNC_JOB, SYNC_SCHEDULE)
        patience = _patience(request)
        progress = [await web.runs.wait(run_id, seconds=patience) for run_id in run_ids]
    except DagsterUnavailable as error:
        raise Refusal(503, str(error)) from None
    result = await run_in_threadpool(event_result, web.settings, run_ids)
    return _finished(progress, result)


async def start_visitors(web: Web) -> str:
    """Start the visitors job over all weeks, or find the run under way; its id."""
    now = web.clock()
    weeks = weeks_between(web.settings.first_day(now), now.date())
    return await web.runs.start(
        VISITORS_JOB,
        {
            "dagster/asset_partition_range_start": weeks[0].isoformat(),
            "dagster/asset_partition_range_end": weeks[-1].isoformat(),
        },
    )


def visitor_result(settings: Settings, run_id: str) -> dict[str, Any] | None:
    """What a visitor sync did: updated, skipped, failed, total; None while it has not ended."""
    try:
        rows = reading.query(
            settings.published_dir,
            "SELECT updated, skipped, failed, total, error FROM visitor_syncs WHERE run_id = $run_id",
            {"run_id": run_id},
        ).as_dicts()
    except NotPublished:
        return None
    return rows[0] if rows else None


def event_result(settings: Settings, run_ids: list[str]) -> dict[str, Any]:
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
            {"runs": run_ids},
        ).as_dicts()
    except NotPublished:
        return {}
    return rows[0]


def _patience(request: Request) -> float:
    """How long the caller wants to wait, in seconds: `?wait=30`."""
    text = request.query_params.get("wait", "")
    if not text:
        return _WAIT_SECONDS
    if not text.isdigit():
        raise Refusal(400, f"wait={text!r} should be seconds such as wait=30")
    return min(float(text), _LONGEST_WAIT_SECONDS)


def _finished(progress: list[RunProgress], result: dict[str, Any]) -> Response:
    """200 when all runs succeeded, 202 when one goes on, 500 when one failed."""
    failed = next((run.error for run in progress if run.state == "failed"), None)
    is_over = all(run.is_over for run in progress)
    status = 500 if failed else 200 if is_over else 202
    content = {
        "success": is_over and failed is None,
        "status": "failed" if failed else "succeeded" if is_over else "running",
        **result,
        "runs": [run.run_id for run in progress],
    }
    if failed:
        content["error"] = failed
    return answer(content, status=status)
