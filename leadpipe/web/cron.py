"""`/api/cron/…`: start a sync from an external cron, wait for it, and answer with its statistics."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leadpipe.web.answers import Refusal, answer
from leadpipe.web.dagster_runs import DagsterUnavailable, RunProgress
from leadpipe.web.guards import check_secret
from leadpipe.web.parts import Sync
from leadpipe.web.settings import WebSettings
from leadpipe.web.state import state_of

_WAIT_SECONDS = 300.0
_LONGEST_WAIT_SECONDS = 3_600.0


def routes(syncs: Sequence[Sync]) -> list[Route]:
    """A path for each sync."""
    return [
        Route(f"/api/cron/{sync.cron}", _run(sync), methods=list(sync.methods)) for sync in syncs
    ]


def _run(sync: Sync) -> Callable[[Request], Awaitable[Response]]:
    async def run(request: Request) -> Response:
        web = state_of(request)
        secret = web.settings.of(WebSettings).cron_secret
        check_secret(web, request, secret, "CRON_SECRET")
        try:
            run_ids = await sync.start(web)
            patience = _patience(request)
            progress = [await web.runs.wait(run_id, seconds=patience) for run_id in run_ids]
        except DagsterUnavailable as error:
            raise Refusal(503, str(error)) from None
        result = await run_in_threadpool(sync.result, web.settings, run_ids)
        return _finished(progress, dict(result))

    return run


def _patience(request: Request) -> float:
    """How long the caller wants to wait, in seconds: `?wait=30`."""
    text = request.query_params.get("wait", "")
    if not text:
        return _WAIT_SECONDS
    if not (text.isascii() and text.isdigit()):
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
