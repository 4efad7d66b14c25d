"""How far runs are and what they did, in the words of the page."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from starlette.concurrency import run_in_threadpool

from leadpipe.web.dagster_access import DagsterLinks
from leadpipe.web.dagster_runs import DagsterUnavailable, RunProgress, Step
from leadpipe.web.parts import Sync
from leadpipe.web.state import Web

State = Literal["none", "running", "over", "lost"]

MOST_RUNS = 20
_BY_THEMSELVES = {
    "scheduled": "started by its schedule",
    "webhook": "started by the webhook",
    "bucket": "started by new files",
    "backfill": "started by a backfill",
}
_PATIENCE_SECONDS = 3.0  # a page is not kept waiting for Dagster


@dataclass(frozen=True)
class ShownRun:
    """A run as the page shows it; `address` is in the Dagster UI."""

    name: str
    state: str
    starter: str | None
    address: str | None
    steps: Sequence[Step]
    done: int
    messages: Sequence[str]
    error: str | None
    result: Mapping[str, int]


@dataclass(frozen=True)
class Progress:
    """The runs that the page follows; `said` is the same in one sentence, for those who listen."""

    state: State = "none"
    run_ids: Sequence[str] = ()
    runs: Sequence[ShownRun] = ()
    problem: str | None = None
    said: str = ""


async def follow(web: Web, run_ids: Sequence[str]) -> Progress:
    """How far the runs are; those under way if none are named."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            wanted = list(run_ids[:MOST_RUNS]) or await _under_way(web)
            found = await asyncio.gather(*(web.runs.progress(run_id) for run_id in wanted))
    except TimeoutError:
        problem = f"Dagster at {web.runs.url} takes long to answer."
        return Progress("lost", run_ids, problem=problem, said=problem)
    except DagsterUnavailable as error:
        return Progress("lost", run_ids, problem=str(error), said=str(error))
    if not found:
        return Progress()
    runs = [await _shown_run(web, run, found) for run in found]
    state: State = "over" if all(run.is_over for run in found) else "running"
    said = "; ".join(_said(run) for run in runs)
    return Progress(state, [run.run_id for run in found], runs, said=said)


async def run_result(web: Web, run: RunProgress) -> dict[str, Any]:
    """What a run did, from the published tables; empty while it goes on or if it left nothing."""
    sync = _sync_of(web, run)
    if sync is None or not run.is_over:
        return {}
    return dict(await run_in_threadpool(sync.result, web.settings, [run.run_id]))


async def _shown_run(web: Web, run: RunProgress, found: Sequence[RunProgress]) -> ShownRun:
    """A run in the page's words; what a sync did is said once, with the last of its parts."""
    sync = _sync_of(web, run)
    parts = [one for one in found if one is run or (one.sync and one.sync == run.sync)]
    is_last = run is parts[-1] and all(part.is_over for part in parts)
    result = await run_result(web, run) if is_last else {}
    shown = {
        words: result[key] for key, words in (sync.shown if sync else {}).items() if key in result
    }
    return ShownRun(
        name=_name(sync.name if sync else run.job, run, parts),
        state=run.state,
        starter=f"started by {run.person}" if run.person else _BY_THEMSELVES.get(run.kind or ""),
        address=DagsterLinks(web).run(run.run_id),
        steps=[Step(_step_name(run, step), step.state) for step in run.steps],
        done=sum(step.state in {"succeeded", "failed"} for step in run.steps),
        messages=run.messages,
        error=run.error,
        result=shown,
    )


async def _under_way(web: Web) -> list[str]:
    jobs = [sync.job for pages in web.pages for sync in pages.syncs]
    found = await asyncio.gather(*(web.runs.under_way(job) for job in jobs))
    return [run_id for runs in found for run_id in runs]


def _sync_of(web: Web, run: RunProgress) -> Sync | None:
    syncs = (sync for pages in web.pages for sync in pages.syncs)
    return next((sync for sync in syncs if sync.job == run.job), None)


def _name(name: str, run: RunProgress, parts: Sequence[RunProgress]) -> str:
    return f"{name}, part {parts.index(run) + 1} of {len(parts)}" if len(parts) > 1 else name


def _step_name(run: RunProgress, step: Step) -> str:
    """In words; a check without the name of the asset it belongs to."""
    owners = [s.name for s in run.steps if step.name.startswith(f"{s.name}_")]
    name = step.name.removeprefix(f"{max(owners, key=len)}_") if owners else step.name
    return name.replace("_", " ")


def _said(run: ShownRun) -> str:
    if run.error:
        return f"{run.name} failed: {run.error}"
    result = ", ".join(f"{number:,} {name}" for name, number in run.result.items())
    if run.state == "running":
        return f"{run.name} running, {run.done} of {len(run.steps)} steps done"
    return f"{run.name} {run.state}{f': {result}' if result else ''}"
