"""`/admin/sync`: the page people look at, its buttons, and the progress of what they started."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from leadpipe.web.answers import Refusal, answer
from leadpipe.web.csrf import check_csrf
from leadpipe.web.dagster_access import shown_address
from leadpipe.web.dagster_runs import DagsterUnavailable
from leadpipe.web.overview import read_panels
from leadpipe.web.parts import Sync
from leadpipe.web.progress import follow, run_result
from leadpipe.web.rendering import render
from leadpipe.web.sessions import HOME, is_logged_in, note_act, only_logged_in
from leadpipe.web.settings import WebSettings
from leadpipe.web.state import Web, state_of

_BELOW = ("facts", "notice", "section")


def routes() -> list[Route]:
    """The routes of the page, all for people who are logged in."""
    return [
        Route(HOME, only_logged_in(_sync_page), methods=["GET", "POST"]),
        Route(f"{HOME}/overview", only_logged_in(_overview)),
        Route(f"{HOME}/progress", only_logged_in(_progress)),
        Route(f"{HOME}/runs/{{run_id}}", only_logged_in(_run_progress)),
    ]


async def _sync_page(request: Request) -> Response:
    """`GET`: the page. `POST`: start a sync, then the page with the runs it started.

    A script that posts the form gets the runs' ids, or the problem, as JSON.
    """
    if request.method == "GET":
        return await _page(request)
    is_script = "application/json" in request.headers.get("accept", "")
    try:
        await check_csrf(request)
        job = (await request.form()).get("job")
        run_ids = await _start(state_of(request), job)
        note_act(request, f"started {job or 'a sync'}: {', '.join(run_ids) or 'nothing to do'}")
    except DagsterUnavailable as error:
        refusal = Refusal(503, str(error))
    except Refusal as error:
        refusal = error
    else:
        if is_script:
            return answer({"runs": run_ids}, status=202)
        query = urlencode([("run", run_id) for run_id in run_ids])
        return RedirectResponse(f"{HOME}?{query}", status_code=303)
    if is_script:
        raise refusal
    return await _page(request, problem=refusal.message, status=refusal.status)


async def _start(web: Web, job: object) -> Sequence[str]:
    """Start the job that the pressed button names (the first without one), or find what is under way."""
    known = {sync.job: sync for sync in _syncs(web)}
    wanted = next(iter(known), None) if job is None else job
    if wanted not in known:
        raise Refusal(400, f"job should be one of {', '.join(known)}")
    return await known[str(wanted)].start(web)


def _syncs(web: Web) -> list[Sync]:
    syncs = [sync for pages in web.pages for sync in pages.syncs]
    return sorted(syncs, key=lambda sync: not sync.is_primary)


async def _page(request: Request, *, problem: str | None = None, status: int = 200) -> Response:
    web = state_of(request)
    # First the runs: what one of them has published is in what is read after it.
    progress = await follow(web, request.query_params.getlist("run"))
    content = await _overview_content(web, ("hero", *_BELOW)) | {
        "syncs": _syncs(web),
        "scripts": [pages.script for pages in web.pages if pages.script],
        "progress": progress,
        "problem": problem,
        "dagster_url": shown_address(web.settings.of(WebSettings), is_public=web.is_public),
        "can_log_out": web.admin_token is not None and is_logged_in(request),
    }
    return render(request, "sync.html", content, status=status)


async def _overview(request: Request) -> Response:
    """The part of the page below the buttons, for a page that is open."""
    return render(request, "overview.html", await _overview_content(state_of(request), _BELOW))


async def _overview_content(web: Web, places: Sequence[str]) -> dict[str, Any]:
    return {
        "overview": await run_in_threadpool(read_panels, web, places),
        "posthog": await web.probe.state(),
        "first_steps": [pages.first_step for pages in web.pages if pages.first_step],
    }


async def _progress(request: Request) -> Response:
    """The part of the page with the runs (`?run=…`), those under way if none is named."""
    progress = await follow(state_of(request), request.query_params.getlist("run"))
    return render(request, "progress.html", {"progress": progress})


async def _run_progress(request: Request) -> Response:
    """The state of a run, its steps and messages, and when it is over what it did, as JSON."""
    web = state_of(request)
    try:
        progress = await web.runs.progress(str(request.path_params["run_id"]))
    except DagsterUnavailable as error:
        return answer({"error": str(error)}, status=503)
    return answer({**asdict(progress), "result": await run_result(web, progress) or None})
