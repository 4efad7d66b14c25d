"""Retention and replicas: events that a query no longer shows, or does not show yet."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog_sandbox.asking import HTTP, refusal, rows
from posthog_sandbox.process import SandboxProcess

_COUNT = "SELECT count() FROM events"


def insert(sandbox: SandboxProcess, *moments: datetime) -> None:
    """An event at each moment."""
    sandbox.control.insert([{"event": "e", "timestamp": moment} for moment in moments])


def project(sandbox: SandboxProcess) -> httpx.Response:
    """What PostHog says of the project."""
    return HTTP.get(
        f"{sandbox.url}/api/projects/{sandbox.project_id}/",
        headers={"Authorization": f"Bearer {sandbox.api_key}"},
    )


def test_older_events_are_hidden_to_the_second(sandbox: SandboxProcess) -> None:
    """Months are counted back from now; the event at the floor itself is hidden."""
    floor = datetime(2025, 11, 21, 12, tzinfo=UTC)
    insert(sandbox, floor - timedelta(days=900), floor, floor + timedelta(seconds=1))
    sandbox.control.set_retention(12)
    assert rows(sandbox, _COUNT) == [[1]]
    sandbox.control.set_clock(NOW + timedelta(seconds=1))
    assert rows(sandbox, _COUNT) == [[0]]


@pytest.mark.parametrize("nested", ["SELECT count() FROM (SELECT uuid FROM events)", _COUNT])
def test_every_read_of_events_has_the_floor(sandbox: SandboxProcess, nested: str) -> None:
    """Whatever the query says, also in a sub-select; persons stay."""
    insert(sandbox, NOW - timedelta(days=2), NOW - timedelta(days=1))
    sandbox.control.set_retention(floor=NOW - timedelta(days=1, hours=1))
    assert rows(sandbox, nested) == [[1]]
    assert rows(sandbox, "SELECT count() FROM persons") == [[1]]


def test_a_month_without_that_day_ends_earlier(sandbox: SandboxProcess) -> None:
    """A year before 29 February is 28 February."""
    sandbox.control.set_clock(datetime(2028, 2, 29, 6, tzinfo=UTC))
    insert(sandbox, datetime(2027, 2, 28, 5, tzinfo=UTC), datetime(2027, 2, 28, 7, tzinfo=UTC))
    sandbox.control.set_retention(12)
    assert rows(sandbox, _COUNT) == [[1]]


@pytest.mark.parametrize(
    ("lever", "said"),
    [
        ({}, (84, True)),
        ({"months": 12}, (12, True)),
        ({"months": 12, "enforced": False}, (12, False)),
        ({"floor": NOW}, (None, True)),
    ],
)
def test_the_project_says_its_retention(sandbox: SandboxProcess, lever, said) -> None:
    """Months and whether they are enforced; not enforced, nothing is hidden."""
    sandbox.control.set_retention(**lever)
    insert(sandbox, NOW - timedelta(days=3_000))
    body = project(sandbox).json()
    assert (body["event_retention_months"], body["events_retention_enforced"]) == said
    assert rows(sandbox, _COUNT) == [[0 if said[1] else 1]]


def test_retention_wants_a_scope_and_is_off_at_first(sandbox: SandboxProcess) -> None:
    """403 in PostHog's words without project:read."""
    body = project(sandbox).json()
    assert (body["event_retention_months"], body["events_retention_enforced"]) == (84, False)
    sandbox.control.scopes("query:read")
    assert refusal(project(sandbox)) == (
        403,
        "authentication_error",
        "permission_denied",
        "API key missing required scope 'project:read'",
    )


def test_a_replica_may_be_behind_for_some_queries(sandbox: SandboxProcess) -> None:
    """The count is right, the page lacks what became visible since."""
    insert(sandbox, NOW - timedelta(hours=3), NOW - timedelta(hours=1))
    sandbox.control.lagging_replica(7_200, match="page")
    assert rows(sandbox, _COUNT, name="a count") == [[2]]
    assert rows(sandbox, _COUNT, name="a page of events") == [[1]]
    sandbox.control.lagging_replica(0)
    assert rows(sandbox, _COUNT, name="a page of events") == [[2]]
