"""`/admin/sync`: the page people look at, its button, and the progress of what it started."""

from dataclasses import asdict

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from leadpipe.web.answers import answer
from leadpipe.web.cron import start_visitors, visitor_result
from leadpipe.web.csrf import check_csrf
from leadpipe.web.dagster_runs import DagsterUnavailable
from leadpipe.web.overview import read_overview
from leadpipe.web.rendering import render
from leadpipe.web.sessions import HOME, is_logged_in, only_logged_in
from leadpipe.web.state import state_of


def routes() -> list[Route]:
    """The routes of the page, all for people who are logged in."""
    return [
        Route("/", only_logged_in(_go_home)),
        Route(HOME, only_logged_in(_sync_page), methods=["GET", "POST"]),
        Route(f"{HOME}/runs/{{run_id}}", only_logged_in(_run_progress)),
    ]


async def _go_home(request: Request) -> Response:
    del request
    return RedirectResponse(HOME, status_code=303)


async def _sync_page(request: Request) -> Response:
    """`GET`: the page. `POST`: start a sync, then the page with the run it started."""
    web = state_of(request)
    problem: str | None = None
    if request.method == "POST":
        await check_csrf(request)
        try:
            run_id = await start_visitors(web)
        except DagsterUnavailable as error:
            problem = str(error)
        else:
            return RedirectResponse(f"{HOME}?run={run_id}", status_code=303)
    overview = await run_in_threadpool(read_overview, web.settings, web.clock())
    return render(
        request,
        "sync.html",
        {
            "overview": overview,
            "posthog": await web.probe.state(),
            "live": await web.feed.now(),
            "run_id": request.query_params.get("run"),
            "problem": problem,
            "can_log_out": web.admin_token is not None and is_logged_in(request),
        },
        status=503 if problem else 200,
    )


async def _run_progress(request: Request) -> Response:
    """The state of a run, its steps and messages, and when it is over what it did."""
    web = state_of(request)
    run_id = str(request.path_params["run_id"])
    try:
        progress = await web.runs.progress(run_id)
    except DagsterUnavailable as error:
        return answer({"error": str(error)}, status=503)
    result = None
    if progress.is_over:
        result = await run_in_threadpool(visitor_result, web.settings, run_id)
    return answer({**asdict(progress), "result": result})
