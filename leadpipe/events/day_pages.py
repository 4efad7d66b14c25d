"""`/admin/sync/days`: which days hold PostHog's events, back to the first, and what to do about one.

The page reads the published tables. What changes a day is a run, or a command; the button starts the run.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from leadpipe.events.connecting import event_mapping
from leadpipe.events.day_strip import Judged, ShownDay, shown, strip_of
from leadpipe.events.listing import days_of
from leadpipe.events.settings import EventsSettings
from leadpipe.web.answers import Refusal
from leadpipe.web.csrf import check_csrf
from leadpipe.web.dagster_access import DagsterLinks
from leadpipe.web.dagster_runs import DagsterUnavailable, SyncUnderWay
from leadpipe.web.overview import looking
from leadpipe.web.parts import Look
from leadpipe.web.rendering import render
from leadpipe.web.sessions import note_act, only_logged_in
from leadpipe.web.starting import acting, page_of_runs, refuse_while_down
from leadpipe.web.state import Web, state_of

JOB = "sync"
DAYS = "/admin/sync/days"
_ASSET = "raw_events"
_MOST_WRONG = 3
_MOST_RUNS = 10
_RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def judged_days(look: Look) -> Judged:
    """Every day that is to be here with its verdict, in order; judged once a publication."""
    settings = look.web.settings.of(EventsSettings)
    key = (
        "judged days",
        look.now.date(),
        settings.first_day(look.now),
        event_mapping(settings).version,
    )
    return look.made(key, lambda: days_of(look.query, settings, now=look.now))


def has_days(look: Look) -> bool:
    """Whether anything is known of any day."""
    return bool(look.query("SELECT event_date FROM event_days LIMIT 1"))


def latest_days(look: Look) -> Mapping[str, Any] | None:
    """The latest weeks as a strip, and the latest days that are not proved."""
    if not has_days(look):
        return None
    judged = judged_days(look)
    return {
        "strip": strip_of(judged, last=look.now.date()),
        **_wrong_of([shown(*one) for one in reversed(judged) if one[1].is_wrong]),
        "asset": DagsterLinks(look.web).asset(_ASSET),
    }


def _wrong_of(days: Sequence[ShownDay]) -> Mapping[str, Any]:
    return {"wrong": days[:_MOST_WRONG], "more": max(len(days) - _MOST_WRONG, 0)}


async def _show_days(request: Request) -> Response:
    """Thirteen weeks up to `?until=2026-08-23`, by default the latest."""
    web = state_of(request)
    until = request.query_params.get("until")
    last = _day(until) if until else web.clock().date()
    judged = await run_in_threadpool(_judged, web)
    strip = strip_of(judged, last=max(last, judged[0][0].event_date))
    wrong = _wrong_of([one for one in reversed(strip.days) if one.verdict.is_wrong])
    return render(request, "events/history.html", {"strip": strip, **wrong})


async def _show_day(request: Request) -> Response:
    """One day: both sides, the events here by name, the runs that read it, and what to do."""
    return await _day_page(request)


async def _read_again(request: Request) -> Response:
    """Start a run that reads the day whole."""
    day = _day(request.path_params["day"])
    try:
        await check_csrf(request)
        web = acting(request)
        await _refuse_what_helps_nothing(web, day)
        await refuse_while_down(web)
        run_id = await web.runs.start_alone(
            JOB,
            dict.fromkeys(_RANGE_TAGS, day.isoformat()),
            {"ops": {_ASSET: {"config": {"full_read": True}}}},
        )
    except SyncUnderWay as error:
        return await _day_page(request, problem=str(error), status=409)
    except DagsterUnavailable as error:
        return await _day_page(request, problem=str(error), status=503)
    except Refusal as error:
        return await _day_page(request, problem=error.message, status=error.status)
    note_act(request, f"read {day} again: {run_id}")
    return RedirectResponse(page_of_runs([run_id]), status_code=303)


async def _day_page(request: Request, *, problem: str | None = None, status: int = 200) -> Response:
    web = state_of(request)
    day = _day(request.path_params["day"])
    one = await _found(web, day)
    content = await run_in_threadpool(_known_of, web, day)
    return render(
        request,
        "events/day.html",
        {
            **content,
            "one": one,
            "problem": problem,
            "partition": DagsterLinks(web).asset(_ASSET, partition=day.isoformat()),
        },
        status=status,
    )


async def _refuse_what_helps_nothing(web: Web, day: date) -> None:
    if not (await _found(web, day)).advice.can_read_again:
        raise Refusal(400, f"reading {day} again does not help")


async def _found(web: Web, day: date) -> ShownDay:
    for facts, verdict in await run_in_threadpool(_judged, web):
        if facts.event_date == day:
            return shown(facts, verdict)
    raise HTTPException(404)


def _judged(web: Web) -> Judged:
    with looking(web) as look:
        return judged_days(look)


def _known_of(web: Web, day: date) -> Mapping[str, Any]:
    """The events of a day, and the runs that were asked for it."""
    links = DagsterLinks(web)
    with looking(web) as look:
        events = look.query(
            "SELECT event, events FROM events_by_day WHERE event_date = $day ORDER BY events DESC, event",
            {"day": day},
        )
        runs = look.query(
            "SELECT runs.kind, part.attempt_id, part.status, part.started_at, part.error "
            "FROM run_parts AS part JOIN runs USING (run_id) "
            "WHERE $day BETWEEN part.window_start AND part.window_end "
            "ORDER BY part.started_at DESC, part.attempt_id LIMIT $most",
            {"day": day, "most": _MOST_RUNS},
        )
    return {
        "events": events,
        "runs": [{**run, "address": links.run(run["attempt_id"])} for run in runs],
    }


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HTTPException(404) from None


ROUTES = (
    Route(DAYS, only_logged_in(_show_days)),
    Route(f"{DAYS}/{{day}}", only_logged_in(_show_day)),
    Route(f"{DAYS}/{{day}}/read", only_logged_in(_read_again), methods=["POST"]),
)
