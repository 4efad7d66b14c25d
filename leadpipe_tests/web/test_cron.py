"""The cron endpoints and what they learn from Dagster."""

import re

import httpx
import pytest
from pydantic import SecretStr

from leadpipe.domains import HasPages, parts
from leadpipe.events.ledger import Run, begin_run
from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW
from leadpipe_tests.web.fake_dagster import FakeDagster, NoDagster
from leadpipe_tests.web.fixtures import CRON_SECRET

ANALYTICS = "/api/cron/analytics"
RIGHT = {"Authorization": f"Bearer {CRON_SECRET}"}


@pytest.fixture
def published(tmp_path):
    """What an event sync leaves behind, of which run-1 and run-2 are parts."""
    with Warehouse(tmp_path / "data" / "leadpipe.duckdb").connect() as connection:
        for part in ("run-1", "run-2"):
            one = Run("one", "scheduled", part_id=part, attempt_id=part)
            begin_run(connection, one, days=[], now=NOW)
        connection.execute(
            "UPDATE runs SET events_fetched = 12, events_new = 10, events_duplicate = 2"
        )
        publish_tables(connection, tmp_path / "data" / "published")


def start_with(start, dagster):
    """An application over a fake Dagster."""
    return start(dagster=dagster, cron_secret=SecretStr(CRON_SECRET), start_date="2026-10-01")


def test_an_event_sync_starts_what_the_schedule_would(start, published):
    """The schedule's own plan is asked, a run each range, and what their one sync brought is said once."""
    tick = [
        {"dagster/asset_partition_range_start": day, "leadpipe/sync": "one"}
        for day in ("2026-11-03", "2026-11-20")
    ]
    dagster = FakeDagster(tick=tick, job="sync")
    answer = start_with(start, dagster).post(ANALYTICS, headers=RIGHT)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "success": True,
            "status": "succeeded",
            "events_fetched": 12,
            "events_new": 10,
            "events_duplicate": 2,
            "events_rejected": 0,
            "lead_records": 0,
            "listings": 0,
            "runs": ["run-1", "run-2"],
        },
    )
    assert [params["executionMetadata"]["tags"] for params in dagster.launched] == [
        [{"key": key, "value": value} for key, value in tags.items()] for tags in tick
    ]


def test_a_run_under_way_is_joined(start, published):
    """Calling twice starts one run: the second call waits for the first one's."""
    dagster = FakeDagster(under_way="run-1")
    answer = start_with(start, dagster).post(ANALYTICS, headers=RIGHT)
    assert (answer.json()["runs"], dagster.launched) == (["run-1"], [])


def test_the_parts_of_the_sync_under_way_are_joined(start, published):
    """The call waits for all runs that are left of the sync started last, and tells of the whole sync."""
    dagster = FakeDagster(under_way_of={"run-2": "one", "run-1": "one", "run-9": "another"})
    answer = start_with(start, dagster).post(ANALYTICS, headers=RIGHT).json()
    assert (answer["runs"], answer["events_new"]) == (["run-1", "run-2"], 10)
    assert dagster.launched == []


def test_the_page_says_once_what_a_sync_of_several_runs_did(start, published):
    """Its runs are shown as the parts they are; the numbers of the whole stand with the last."""
    dagster = FakeDagster(tick=[{"leadpipe/sync": "one"}] * 2, job="sync")
    client = start_with(start, dagster)
    client.post(ANALYTICS, headers=RIGHT)
    page = client.get("/admin/sync/progress?run=run-1&run=run-2").text
    assert re.findall(r"<h3>(.*?) <span", page) == [
        "Events and leads, part 1 of 2",
        "Events and leads, part 2 of 2",
    ]
    assert re.findall(r"<dt>new events</dt><dd>(\d+)</dd>", page) == ["10"]


def test_a_run_that_takes_longer_is_202(start):
    """The caller may say how long it waits; the run goes on."""
    dagster = FakeDagster(states=["STARTED"])
    answer = start_with(start, dagster).post(f"{ANALYTICS}?wait=0", headers=RIGHT)
    assert (answer.status_code, answer.json()) == (
        202,
        {"success": False, "status": "running", "runs": ["run-1"]},
    )
    wrong = start_with(start, dagster).post(f"{ANALYTICS}?wait=long", headers=RIGHT)
    assert (wrong.status_code, wrong.json()) == (
        400,
        {"error": "wait='long' should be seconds such as wait=30"},
    )


def test_a_failed_run_is_500_with_its_reason(start):
    """What the step said is what the caller reads."""
    failure = {
        "__typename": "ExecutionStepFailureEvent",
        "message": 'Execution of step "raw_events" failed.',
        "error": {
            "message": "dagster._core.definitions.events.Failure: KeyRejected: the key is wrong\n"
        },
    }
    answer = start_with(start, FakeDagster(states=["FAILURE"], events=[failure])).post(
        ANALYTICS, headers=RIGHT
    )
    assert (answer.status_code, answer.json()) == (
        500,
        {
            "success": False,
            "status": "failed",
            "runs": ["run-1"],
            "error": "KeyRejected: the key is wrong",
        },
    )


class _Garbage(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request):
        return httpx.Response(200, text="<html>another program</html>")


@pytest.mark.parametrize(
    ("dagster", "message"),
    [
        (
            NoDagster(),
            (
                "Dagster does not answer at http://127.0.0.1:3000 (ConnectError). Start it with `make up`, "
                "or set LEADPIPE_DAGSTER_URL."
            ),
        ),
        (
            _Garbage(),
            (
                "Dagster does not answer at http://127.0.0.1:3000 (JSONDecodeError). Start it "
                "with `make up`, or set LEADPIPE_DAGSTER_URL."
            ),
        ),
        (FakeDagster(problem="no such job\n"), "Dagster says: no such job"),
    ],
    ids=["nobody listens", "another program", "refused"],
)
def test_without_dagster_the_answer_is_503_with_the_next_step(start, dagster, message):
    """Nothing is started, and the caller reads what to do."""
    answer = start_with(start, dagster).post(ANALYTICS, headers=RIGHT)
    assert (answer.status_code, answer.json()) == (503, {"error": message})


@pytest.mark.parametrize(
    "path",
    [f"/api/cron/{sync.cron}" for _, part in parts(HasPages) for sync in part.PAGES.syncs],
)
def test_a_wrong_secret_starts_nothing(start, path):
    """401, then 429; no run, and no word of the secret."""
    dagster = FakeDagster()
    client = start_with(start, dagster)
    answers = [client.post(path, headers={"Authorization": "Bearer wrong"}) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429]
    assert CRON_SECRET not in answers[0].text
    assert dagster.launched == []


def test_without_a_secret_only_this_machine_may_start_a_sync(start):
    """A page of another site on this machine may not either."""
    here = start(dagster=FakeDagster())
    assert here.post(ANALYTICS).status_code == 200
    assert here.post(ANALYTICS, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    elsewhere = start(dagster=FakeDagster(), is_public=True, client="203.0.113.7")
    answer = elsewhere.post(ANALYTICS)
    assert (answer.status_code, answer.json()) == (
        403,
        {"error": "CRON_SECRET is not set, so nobody may call; set it"},
    )


def test_analytics_is_started_by_post_only(client):
    """What changes data is no GET, but for the one the seed has so."""
    assert client.get(ANALYTICS, headers=RIGHT).status_code == 405
