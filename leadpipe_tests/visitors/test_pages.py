"""Visitors on the page and over HTTP: the panels, the sync, and who may see the live count."""

import re
from datetime import timedelta

import pytest
from pydantic import SecretStr

from leadpipe.published.tables import publish_tables
from leadpipe.visitors.metrics import VisitorSyncReport, record_sync
from leadpipe.visitors.numbers import days_shown
from leadpipe.warehouse import Warehouse
from leadpipe.web.overview import looking
from leadpipe.web.periods import Total, read_period
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, take_in
from leadpipe_tests.visitors.builders import THIS_WEEK, counts_of
from leadpipe_tests.web.builders import pageview, panels, publish_some
from leadpipe_tests.web.fake_dagster import FakeDagster
from leadpipe_tests.web.fixtures import CRON_SECRET

VISITORS = "/api/cron/sync-visitors"
JSON = {"Content-Type": "application/json"}
RIGHT = {"Authorization": f"Bearer {CRON_SECRET}"}


def test_before_the_first_sync_the_facts_are_noughts(start):
    """There is a panel, and no error."""
    assert panels(start(), "facts")["visitors/facts.html"] == {
        "succeeded": 0,
        "failed": 0,
        "last": None,
    }


def test_the_panel_shows_the_published_weeks(tmp_path, start):
    """Newest first, with a chart a number; the week under way has what is here."""
    publish_some(tmp_path)
    weeks = panels(start())["visitors/panel.html"]
    before = [
        (THIS_WEEK - timedelta(weeks=ago), counts.visitors, counts.pageviews, counts.signups)
        for ago, counts in ((ago, counts_of(ago)) for ago in (1, 2))
    ]
    assert [(row.week, row.visitors, row.pageviews, row.signups) for row in weeks["rows"]] == [
        (THIS_WEEK, 2, 2, 1),
        *before,
    ]
    assert [chart.heading for chart in weeks["charts"]] == [
        *("Visitors", "Signups", "Signup rate", "Page views")
    ]


@pytest.mark.parametrize("address", ["/admin/sync", "/visitors"])
def test_the_week_under_way_has_one_number(tmp_path, start, address):
    """PostHog counted one visitor, two are here, a third waits: headline, bar and table say three."""
    publish_some(tmp_path)
    client = start()
    client.post("/api/webhooks/posthog", content=pageview(3), headers=JSON).raise_for_status()
    text = client.get(address).text
    assert re.findall(r'id="visitors"[^>]*>([^<]+)<', text) == ["3"]
    assert {*re.findall(r'aria-label="16–22 Nov: (\d+ visitors)"', text)} == {"3 visitors"}
    row = re.search(r'<th scope="row" class="whole">16–22 Nov</th><td class="n">(\d+)</td>', text)
    assert row
    assert row[1] == "3"
    assert client.get("/api/visitors/live").json()["weeks"]["2026-W47"] == 3


def test_a_number_is_made_once_a_publication(tmp_path, start):
    """The second look at a page draws nothing, and another publication is seen at once."""
    publish_some(tmp_path)
    client = start()
    one, two = (panels(client)["visitors/panel.html"]["charts"] for _ in range(2))
    assert one is two
    publish_some(tmp_path)
    assert panels(client)["visitors/panel.html"]["charts"] is not one


def test_the_days_of_a_period_are_compared_with_those_before(tmp_path, start):
    """Of two days that are over, page views and visitors; today counts, and is not compared."""
    warehouse = Warehouse(tmp_path / "data" / "leadpipe.duckdb")
    warehouse.path.parent.mkdir()
    seen = [(0, 1), (1, 1), (1, 2), (2, 1), (2, 1), (3, 1)]
    events = [
        event("$pageview", NOW - timedelta(days=ago, seconds=n), person_id=f"person-{person}")
        for n, (ago, person) in enumerate(seen)
    ]
    take_in(warehouse, tmp_path / "data", events)
    with warehouse.connect() as connection:
        publish_tables(connection, tmp_path / "data" / "published")
    client = start()
    days = [NOW.date() - timedelta(days=ago) for ago in (2, 0)]
    period, _ = read_period([("from", str(days[0])), ("to", str(days[1]))], NOW.date())
    with looking(client.app.state.web) as look:
        shown = days_shown(look, period)
    assert (shown["totals"]["pageviews"], shown["a_day"]) == (
        Total(value=5, over=4, before=1),
        Total(value=1.5, over=1.5, before=0.5),
    )


@pytest.mark.parametrize("path", ["/api/visitors/live", "/api/visitors/stream"])
def test_the_live_count_wants_a_login(client, path):
    """Nobody sees a number without having logged in."""
    assert client.get(path, follow_redirects=False).status_code == 401


@pytest.fixture
def published(tmp_path):
    """What a visitor sync named run-1 leaves behind."""
    with Warehouse(tmp_path / "data" / "leadpipe.duckdb").connect() as connection:
        report = VisitorSyncReport(updated=(NOW.date(),), skipped=(NOW.date(),) * 52, failed={})
        record_sync(connection, "run-1", report, NOW, NOW, error=None)
        publish_tables(connection, tmp_path / "data" / "published")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_visitor_sync_answers_with_its_statistics(start, published, method):
    """One run over all weeks is started and followed; the answer has the seed's numbers."""
    dagster = FakeDagster(states=["QUEUED", "STARTED", "SUCCESS"])
    client = start(dagster=dagster, cron_secret=SecretStr(CRON_SECRET), start_date="2026-10-01")
    answer = client.request(method, VISITORS, headers=RIGHT)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "success": True,
            "status": "succeeded",
            "updated": 1,
            "skipped": 52,
            "failed": 0,
            "total": 53,
            "error": None,
            "runs": ["run-1"],
        },
    )
    (params,) = dagster.launched
    assert params["selector"] == {
        "repositoryName": "__repository__",
        "repositoryLocationName": "leadpipe.definitions",
        "jobName": "visitors",
    }
    assert params["executionMetadata"]["tags"] == [
        {"key": "dagster/asset_partition_range_start", "value": "2026-09-28"},
        {"key": "dagster/asset_partition_range_end", "value": "2026-11-16"},
    ]


def test_a_run_under_way_is_joined(start, published):
    """Calling twice starts one run over all weeks: the second call waits for the first one's."""
    dagster = FakeDagster(under_way="run-1")
    answer = start(dagster=dagster).post(VISITORS)
    assert (answer.json()["runs"], dagster.launched) == (["run-1"], [])


def test_without_a_secret_only_this_machine_may_start_a_sync(start):
    """A page of another site on this machine may not, though it is a GET."""
    here = start(dagster=FakeDagster())
    assert here.get(VISITORS).status_code == 200
    assert here.get(VISITORS, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
