"""What `/metrics` says of events, against states that are known."""

from datetime import UTC, date, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from leadpipe.published.tables import publish_tables
from leadpipe.web.app import create_app
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, take_in
from leadpipe_tests.web.fixtures import web_settings
from leadpipe_tests.web.scraping import only, scraped


@pytest.fixture
def published(warehouse, tmp_path):
    """Publish after some statements: `published("INSERT …")`."""

    def publish(*statements: str) -> None:
        with warehouse.connect() as connection:
            for statement in statements:
                connection.execute(statement)
            publish_tables(connection, tmp_path / "data" / "published", now=NOW)

    return publish


def a_run(number: int, kind: str, status: str, hours_ago: float, **counts: int) -> str:
    """A run of the ledger that ended so long ago."""
    at = f"TIMESTAMPTZ '{(NOW - timedelta(hours=hours_ago)).isoformat()}'"
    ended = "NULL" if status == "running" else at
    names = ("events_fetched", "events_new", "events_duplicate", "events_rejected")
    values = [*names, "api_calls", "retries", "rate_limits"]
    given = ", ".join(f"{counts.get(name, 0)} AS {name}" for name in values)
    return (
        f"INSERT INTO runs BY NAME SELECT 'run-{number}' AS run_id, '{kind}' AS kind, '{status}' AS status, "
        f"{given}, '{{}}' AS rejected_reasons, 0 AS version, 'host' AS host, 1 AS pid, "
        f"{at} - INTERVAL 1 MINUTE AS started_at, {ended} AS finished_at"
    )


def a_day(
    day: date, *, posthog: int, here: int, hours_ago: float = 1.0, since: float | None = None
) -> str:
    """A day that was read and compared; equal where both counts are."""
    read = f"TIMESTAMPTZ '{(NOW - timedelta(hours=hours_ago)).isoformat()}'"
    differs = (
        "NULL" if since is None else f"TIMESTAMPTZ '{(NOW - timedelta(hours=since)).isoformat()}'"
    )
    return (
        f"INSERT INTO event_days BY NAME SELECT DATE '{day}' AS event_date, 1 AS version, "
        f"{read} AS read_until, "
        f"{posthog} AS posthog_events, {here} AS warehouse_events, {read} AS checked_at, "
        f"{posthog} AS posthog_checksum, {here} AS warehouse_checksum, {differs} AS differs_since"
    )


def test_the_last_sync_is_the_last_one_that_is_over(published, start):
    """Its result and age; what runs still, and what a webhook or a rebuild did, are no syncs."""
    published(
        a_run(
            1, "scheduled", "succeeded", 7, events_new=5, events_duplicate=2, api_calls=9, retries=1
        ),
        a_run(2, "manual", "failed", 1.5, events_rejected=1, api_calls=3, rate_limits=2),
        a_run(3, "webhook", "succeeded", 0.5, events_new=4),
        a_run(4, "rebuild", "succeeded", 0.25),
        a_run(5, "scheduled", "running", 0.1),
    )
    samples = scraped(start())
    assert only(samples, "leadpipe_sync", "leadpipe_run", "leadpipe_posthog") == {
        "leadpipe_sync_last_success_timestamp_seconds": (NOW - timedelta(hours=7)).timestamp(),
        "leadpipe_sync_age_seconds": 7 * 3_600,
        'leadpipe_sync_last_result{result="succeeded"}': 0,
        'leadpipe_sync_last_result{result="failed"}': 1,
        'leadpipe_sync_last_result{result="interrupted"}': 0,
        'leadpipe_runs_total{kind="manual",result="failed"}': 1,
        'leadpipe_runs_total{kind="rebuild",result="succeeded"}': 1,
        'leadpipe_runs_total{kind="scheduled",result="succeeded"}': 1,
        'leadpipe_runs_total{kind="webhook",result="succeeded"}': 1,
        'leadpipe_run_events_total{result="new"}': 9,
        'leadpipe_run_events_total{result="duplicate"}': 2,
        'leadpipe_run_events_total{result="rejected"}': 1,
        "leadpipe_posthog_requests_total": 12,
        "leadpipe_posthog_retries_total": 1,
        "leadpipe_posthog_rate_limits_total": 2,
    }


def test_days_are_counted_by_their_verdict(published, start):
    """The same verdicts as `leadpipe days`; days that were never read are among them."""
    today = NOW.date()
    published(
        a_day(today, posthog=3, here=3, hours_ago=2),
        a_day(today - timedelta(days=1), posthog=3, here=2, hours_ago=3, since=5),
        a_day(today - timedelta(days=2), posthog=3, here=5, hours_ago=3, since=30),
    )
    samples = scraped(start(start_date=today - timedelta(days=3)))
    assert only(samples, "leadpipe_event_dates", "leadpipe_events_lag") == {
        'leadpipe_event_dates{verdict="proved"}': 1,
        'leadpipe_event_dates{verdict="differs"}': 2,
        'leadpipe_event_dates{verdict="unproved"}': 0,
        'leadpipe_event_dates{verdict="frozen_by_retention"}': 0,
        'leadpipe_event_dates{verdict="never_read"}': 1,
        "leadpipe_event_dates_differing_age_seconds": 30 * 3_600,
        "leadpipe_events_lag_seconds": 2 * 3_600,
    }


def test_ages_grow_while_nothing_is_published(published, tmp_path):
    """Moments are kept from the publication, ages are those of the scrape."""
    published(a_run(1, "scheduled", "succeeded", 1))
    moment = NOW
    app = create_app(web_settings(tmp_path), clock=lambda: moment)
    with TestClient(app, client=("127.0.0.1", 50_000), base_url="http://localhost") as client:
        assert scraped(client)["leadpipe_sync_age_seconds"] == 3_600
        moment = NOW + timedelta(hours=9)
        assert scraped(client)["leadpipe_sync_age_seconds"] == 36_000


def test_the_newest_day_is_not_in_the_future(warehouse, tmp_path, published, start):
    """A phone whose clock is ahead makes nothing look fresher than it is."""
    take_in(
        warehouse,
        tmp_path,
        [
            event("$pageview", NOW - timedelta(days=2)),
            event("$pageview", NOW + timedelta(days=40)),
        ],
    )
    published()
    begins = datetime.combine((NOW - timedelta(days=2)).date(), datetime.min.time(), UTC)
    samples = scraped(start())
    assert samples["leadpipe_events_newest_day_timestamp_seconds"] == begins.timestamp()


def test_files_of_exports_count_by_state(published, start):
    """As `leadpipe files` lists them."""
    published(
        *(
            f"INSERT INTO exported_files BY NAME SELECT 'file-{number}' AS key, 'e' AS e_tag, 1 AS size, "
            f"TIMESTAMPTZ '{NOW}' AS interval_end, '{state}' AS state, TIMESTAMPTZ '{NOW}' AS first_seen_at"
            for number, state in enumerate(("taken", "taken", "unreadable"))
        )
    )
    assert only(scraped(start()), "leadpipe_exported_files") == {
        'leadpipe_exported_files{state="taken"}': 2,
        'leadpipe_exported_files{state="unreadable"}': 1,
    }
