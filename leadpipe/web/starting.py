"""Runs that a person starts on a page: they name who it was, and nobody waits for one that can only fail."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlencode

from starlette.requests import Request

from leadpipe.web.answers import Refusal
from leadpipe.web.sessions import HOME, caller_of, person_of
from leadpipe.web.state import Web, state_of


def acting(request: Request) -> Web:
    """What the routes share, with runs that name who makes the request."""
    web, caller = state_of(request), caller_of(request)
    person = (caller and caller.name) or person_of(request)
    return replace(web, runs=web.runs.started_by(person))


def page_of_runs(run_ids: Sequence[str]) -> str:
    """The address of the page that shows runs."""
    return f"{HOME}?{urlencode([('run', run_id) for run_id in run_ids])}"


async def refuse_while_down(web: Web) -> None:
    """Refuse at once what needs PostHog while it cannot be reached.

    A page without a key knows nothing of PostHog: the Dagster that it asks may have one.

    Raises:
        Refusal: PostHog cannot be reached, or does not take the key.
    """
    posthog = await web.probe.state_now()
    if posthog.is_configured and not posthog.is_reachable:
        raise Refusal(
            503,
            f"Nothing was started, as PostHog cannot be reached: {posthog.problem} "
            "Press again when it can be; `leadpipe check` says more.",
        )
