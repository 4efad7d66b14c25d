"""Visitors on the page and over HTTP: the panels, the sync, and who may see the live count."""

from datetime import timedelta

import pytest
from pydantic import SecretStr

from leadpipe.published.tables import publish_tables
from leadpipe.visitors.metrics import VisitorSyncReport, record_sync
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW
from leadpipe_tests.visitors.builders import THIS_WEEK, counts_of
from leadpipe_tests.web.builders import panels, publish_some
from leadpipe_tests.web.fake_dagster import FakeDagster
from leadpipe_tests.web.fixtures import CRON_SECRET

VISITORS = "/api/cron/sync-visitors"
RIGHT = {"Authorization": f"Bearer {CRON_SECRET}"}


def test_before_the_first_sync_the_facts_are_noughts(start):
    """There is a panel, and no error."""
    assert panels(start(), "facts")["visitors/facts.html"] == {
        "succeeded": 0,
        "failed": 0,
        "last": None,
    }


def test_the_panel_shows_the_published_weeks(tmp_path, start):
    """Newest first, with a chart a number."""
    publish_some(tmp_path)
    weeks = panels(start())["visitors/panel.html"]
    assert [
        (row["week_start"], row["visitors"], row["pageviews"], row["signups"])
        for row in weeks["rows"]
    ] == [
        (THIS_WEEK - timedelta(weeks=ago), counts.visitors, counts.pageviews, counts.signups)
        for ago, counts in ((ago, counts_of(ago)) for ago in range(3))
    ]
    assert [chart["heading"] for chart in weeks["charts"]] == [
        "Visitors",
        "Signups",
        "Conversion",
    ]


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
