"""`/admin/sync`: the page people look at, its buttons, and the progress of what they started."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from leadpipe.web.answers import Refusal, answer
from leadpipe.web.csrf import check_csrf
from leadpipe.web.dagster_access import DagsterLinks
from leadpipe.web.dagster_runs import DagsterUnavailable
from leadpipe.web.overview import read_panels
from leadpipe.web.parts import Sync
from leadpipe.web.progress import follow, run_result
from leadpipe.web.rendering import render
from leadpipe.web.sessions import HOME, note_act, only_logged_in
from leadpipe.web.starting import acting, page_of_runs, refuse_while_down
from leadpipe.web.state import Web, state_of

_BELOW = ("facts", "notice", "section")
_ALL = "all"


@dataclass(frozen=True)
class Started:
    """What the pressed button started, and why it started no more."""

    run_ids: Sequence[str]
    problem: str | None = None


def routes() -> list[Route]:
    """The routes of the page, all for people who are logged in; operators start syncs."""
    return [
        Route(HOME, only_logged_in(_sync_page), methods=["GET", "POST"]),
        Route(f"{HOME}/overview", only_logged_in(_overview)),
        Route(f"{HOME}/progress", only_logged_in(_progress)),
        Route(f"{HOME}/runs/{{run_id}}", only_logged_in(_run_progress)),
    ]


async def _sync_page(request: Request) -> Response:
    """`GET`: the page. `POST`: start everything or a part of it, then the page with its runs.

    A script that posts the form gets the runs' ids, and the problem if there is one, as JSON.
    """
    if request.method == "GET":
        return await _page(request)
    is_script = "application/json" in request.headers.get("accept", "")
    try:
        await check_csrf(request)
        job = (await request.form()).get("job")
        web = acting(request)
        await refuse_while_down(web)
        started = await _start(web, _ALL if job is None else job)
        runs = ", ".join(started.run_ids) or "nothing to do"
        note_act(request, f"started {'a sync' if job in {None, _ALL} else job}: {runs}")
    except DagsterUnavailable as error:
        refusal = Refusal(503, str(error))
    except Refusal as error:
        refusal = error
    else:
        if is_script:
            problem = {"error": started.problem} if started.problem else {}
            return answer({"runs": started.run_ids, **problem}, status=202)
        if started.problem:
            return await _page(
                request, run_ids=started.run_ids, problem=started.problem, status=503
            )
        return RedirectResponse(page_of_runs(started.run_ids), status_code=303)
    if is_script:
        raise refusal
    return await _page(request, problem=refusal.message, status=refusal.status)


async def _start(web: Web, job: object) -> Started:
    """Start the part that the pressed button names, or all of them; what is under way is joined.

    The parts wait for each other in Dagster's queue, in the domains' order: what counts what another has
    loaded comes after it.
    """
    known = {sync.job: sync for sync in _syncs(web)}
    if job != _ALL and job not in known:
        raise Refusal(400, f"job should be one of {', '.join([_ALL, *known])}")
    run_ids: list[str] = []
    for sync in known.values() if job == _ALL else [known[str(job)]]:
        try:
            run_ids += await sync.start(web)
        except DagsterUnavailable as error:
            if not run_ids:
                raise
            return Started(run_ids, f"{sync.name} did not start: {error}")
    return Started(run_ids)


def _syncs(web: Web) -> list[Sync]:
    return [sync for pages in web.pages for sync in pages.syncs]


async def _page(
    request: Request,
    *,
    run_ids: Sequence[str] = (),
    problem: str | None = None,
    status: int = 200,
) -> Response:
    web = state_of(request)
    # First the runs: what one of them has published is in what is read after it.
    progress = await follow(web, run_ids or request.query_params.getlist("run"))
    content = await _overview_content(web, ("hero", *_BELOW)) | {
        "syncs": _syncs(web),
        "scripts": [pages.script for pages in web.pages if pages.script],
        "progress": progress,
        "problem": problem,
        "dagster_url": DagsterLinks(web).home,
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
