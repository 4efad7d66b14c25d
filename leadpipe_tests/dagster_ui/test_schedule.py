"""The 6-hourly schedule: it asks for exactly the days that have something new, and for few requests."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from leadpipe.automation import PARTS_TAG, RUN_TAG
from leadpipe.connections import connect_posthog
from leadpipe.definitions import build_defs
from leadpipe.posthog import PostHog
from leadpipe.resources import PostHogConnection
from leadpipe.settings import Settings
from leadpipe_tests.clocks import let_pass
from leadpipe_tests.dagster_ui.builders import (
    ASSETS,
    HISTORY_DAYS,
    QUIET,
    a_lead,
    history,
    materialised,
    on,
    run_job,
    versions,
    whole_range,
)
from leadpipe_tests.events.builders import rows

NOBODY_LISTENS = "http://127.0.0.1:9"


def due_at() -> datetime:
    """When the schedule was last due."""
    now = datetime.now(UTC)
    return now.replace(hour=now.hour // 6 * 6, minute=0, second=0, microsecond=0)


class Impatient(PostHogConnection):
    """Gives up on PostHog after a second."""

    def client(self, **_: object) -> PostHog:
        return connect_posthog(self.settings, deadline_seconds=1.0)


def tick(
    settings: Settings, instance: dg.DagsterInstance, **resources: object
) -> Sequence[dg.RunRequest]:
    """What the schedule requests when it is due, a second after whatever happened before."""
    let_pass(1)
    definitions = build_defs(settings=settings, resources=resources)
    repository = definitions.get_repository_def()
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=due_at(),
        resources=definitions.resources,
        repository_def=repository,
    ) as context:
        data = repository.get_schedule_def("sync_every_six_hours").evaluate_tick(context)
    assert data.skip_message is None
    return data.run_requests or []


def requested(requests: Sequence[dg.RunRequest]) -> list[tuple[str | None, dict[str, Any]]]:
    """The requests as run keys and leadpipe's tags, less those that make them one sync."""
    others = {"dagster/schedule_name", RUN_TAG, PARTS_TAG}
    return [
        (
            request.run_key,
            {key: value for key, value in request.tags.items() if key not in others},
        )
        for request in requests
    ]


def asks(first: date, last: date) -> tuple[str, dict[str, Any]]:
    """One request for a range of days."""
    return (
        f"{due_at().isoformat()} {first}",
        {
            "dagster/asset_partition_range_start": first.isoformat(),
            "dagster/asset_partition_range_end": last.isoformat(),
            "leadpipe/kind": "scheduled",
        },
    )


def run(settings: Settings, instance: dg.DagsterInstance, requests: Sequence[dg.RunRequest]):
    """Run what was requested, one run a request; return the runs' ids."""
    job = build_defs(settings=settings).resolve_job_def("sync")
    results = [
        job.execute_in_process(instance=instance, tags=dict(request.tags), run_config=QUIET)
        for request in requests
    ]
    return [result.run_id for result in results]


def just_now() -> datetime:
    """Long enough ago to be settled, and after the sync before it."""
    return datetime.now(UTC) - timedelta(seconds=200)


def test_first_tick_requests_everything_as_one_run(posthog, live, instance, today):
    """With an empty warehouse the whole range of days is one request, and no query is needed for it."""
    posthog.control.insert(history(today))
    requests = tick(live, instance)
    assert requested(requests) == [asks(today - timedelta(days=HISTORY_DAYS), today)]
    assert posthog.control.requests() == []
    run_ids = run(live, instance, requests)
    everything = [str(today - timedelta(days=n)) for n in range(HISTORY_DAYS, -1, -1)]
    assert materialised(instance, "raw_events", run_ids=run_ids) == everything


def test_late_events_are_found_and_nothing_else_is_touched(posthog, live, stored, instance, today):
    """Events planted ten days back cost a run over their day and one over today, and change no other."""
    posthog.control.insert(history(today))
    run(live, instance, tick(live, instance))
    before = versions(stored)
    late_day = today - timedelta(days=10)
    posthog.control.insert(
        [a_lead(late_day, created_at=just_now()), on(late_day, created_at=just_now())]
    )
    requests = tick(live, instance)
    assert requested(requests) == [asks(late_day, late_day), asks(today, today)]
    run_ids = run(live, instance, requests)
    touched = [str(late_day), str(today)]
    assert {asset: materialised(instance, asset, run_ids=run_ids) for asset in ASSETS} == {
        "raw_events": touched,
        "listing_analytics": touched,
        "leads": [None, None],
        "listings": [None, None],
        "published_tables": [None, None],
    }
    after = versions(stored)
    assert {day for day in after if after[day] != before.get(day)} == {late_day}
    assert rows(stored, "SELECT count(*) FROM raw_events WHERE event_date = ?", late_day) == [(4,)]
    assert rows(
        stored, "SELECT total_views, total_leads FROM listing_analytics WHERE date = ?", late_day
    ) == [(2, 2)]


def test_nothing_new_is_one_run_of_three_queries(posthog, live, stored, instance, today):
    """A sync with nothing new asks PostHog three times, proof included, runs once and changes no day."""
    posthog.control.insert(history(today))
    run(live, instance, tick(live, instance))
    before = versions(stored)
    posthog.control.clear_requests()
    requests = tick(live, instance)
    assert requested(requests) == [asks(today, today)]
    run(live, instance, requests)
    queries = [request["name"] for request in posthog.control.requests()]
    assert queries == [
        "leadpipe: changed days",
        f"leadpipe: fingerprints from {today - timedelta(days=HISTORY_DAYS)}",
        f"leadpipe: fingerprints from {today}",
    ]
    assert versions(stored) == before


@pytest.mark.parametrize("problem", ["PostHog is down", "PostHog refuses the key"])
def test_today_is_requested_when_posthog_cannot_say(
    posthog, live, stored, instance, today, problem
):
    """When PostHog does not answer the plan, today's run is requested still: it reports the failure."""
    posthog.control.insert(history(today))
    whole_range(live, instance, today)
    tick(live, instance)
    if problem == "PostHog is down":
        failing = live.model_copy(update={"posthog_base_url": NOBODY_LISTENS})
        with stored.connect() as connection:  # the same project, at an address that fails
            connection.execute("UPDATE sources SET host = ?", [NOBODY_LISTENS])
    else:
        failing = live.model_copy(update={"posthog_api_key": SecretStr("phx_wrong")})
    requests = tick(failing, instance, posthog=Impatient(failing))
    assert requested(requests) == [asks(today, today)]


def test_days_that_are_not_right_come_back(posthog, live, stored, instance, today):
    """Days never read, incomplete days and days of a plan no run answered are in the next plan."""
    eager = live.model_copy(update={"overlap_seconds": 0, "settle_seconds": 0})
    posthog.control.insert(history(today))
    whole_range(eager, instance, today)
    tick(eager, instance)
    never, incomplete, unanswered = (today - timedelta(days=n) for n in (12, 9, 5))
    with stored.connect() as connection:
        connection.execute("DELETE FROM event_days WHERE event_date = ?", [never])
        connection.execute(
            "DELETE FROM raw_events "
            "WHERE uuid = (SELECT min(uuid) FROM raw_events WHERE event_date = ?)",
            [incomplete],
        )
    let_pass(1)
    posthog.control.insert([on(unanswered, created_at=datetime.now(UTC))])
    expected = [asks(day, day) for day in (never, incomplete, unanswered, today)]
    assert requested(tick(eager, instance)) == expected
    again = tick(eager, instance)
    assert requested(again) == expected
    run(eager, instance, again)
    assert requested(tick(eager, instance)) == [asks(today, today)]


def test_a_run_that_failed_leaves_its_days_to_the_next_tick(posthog, live, instance, today):
    """When the first run fails, the next tick asks for the same days again."""
    posthog.control.insert(history(today))
    posthog.control.fault("unauthorized_401", times=-1)
    first = today - timedelta(days=HISTORY_DAYS)
    assert not run_job(live, instance, first, today, kind="scheduled").success
    posthog.control.clear_faults()
    requests = tick(live, instance)
    assert requested(requests) == [asks(first, today)]
    run(live, instance, requests)
    assert requested(tick(live, instance)) == [asks(today, today)]
