"""The page against a real Dagster UI and a PostHog sandbox: what a person sees who presses the buttons."""

import re
from datetime import UTC, datetime, time, timedelta

import pytest
from playwright.sync_api import expect

from leadpipe.published import reading
from leadpipe_tests.clocks import wait_for_a_day_that_lasts
from leadpipe_tests.dagster_ui.processes import dagster_ui, environment
from leadpipe_tests.events.builders import event
from leadpipe_tests.web.browser.serving import Site

_RUN_MS = 120_000
_DAYS = 10
_OF_DAGSTER = "pollo"  # its pages speak of Apollo, and Apollo of itself, in the console


@pytest.fixture(scope="module")
def dagster(tmp_path_factory, sandbox_process):
    """A Dagster UI over an empty data folder and a sandbox with a pageview, a view and a lead a day."""
    wait_for_a_day_that_lasts()
    sandbox_process.control.reset()
    home = tmp_path_factory.mktemp("dagster")
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=before) for before in range(1, _DAYS + 1)]
    sandbox_process.control.insert(
        [
            event(name, datetime.combine(day, time(9, minute), UTC), **fields)
            for day in days
            for minute, (name, fields) in enumerate(
                [
                    ("$pageview", {"distinct_id": f"device-{day}"}),
                    ("property_view", {"listing_id": "listing-1"}),
                    ("lead_phone", {"listing_id": "listing-1", "seeker_id": "ama"}),
                ]
            )
        ]
    )
    env = environment(
        sandbox_process,
        LEADPIPE_DATA_DIR=str(home / "data"),
        LEADPIPE_START_DATE=days[-1].isoformat(),
    )
    with dagster_ui(home, env) as ui:
        yield home, ui, days[-1]


@pytest.fixture
def site(machine_clock, dagster, sandbox_process):
    """The page beside them."""
    home, ui, first_day = dagster
    with Site(
        home,
        dagster=None,
        clock=None,
        dagster_url=ui.url,
        posthog_api_key=sandbox_process.api_key,
        posthog_project_id=sandbox_process.project_id,
        posthog_base_url=sandbox_process.url,
        start_date=first_day,
    ) as served:
        yield served


def test_the_buttons_run_real_syncs(dagster, site, open_page, sandbox_process):
    """Weeks are counted and drawn; a key without its scope is named; events become leads, drawn in both."""
    home, ui, first_day = dagster
    page = open_page(site.page)
    progress = page.locator("#progress")
    expect(page.locator(".facts .good").first).to_have_text("reachable")
    page.get_by_role("button", name="Only visitors").click()
    expect(progress.locator(".state")).to_have_text("succeeded", timeout=_RUN_MS)
    assert sorted(progress.locator(".steps li").all_text_contents()) == [
        "visitor metrics: succeeded",
        "weeks agree with events: succeeded",
        "weeks are possible: succeeded",
    ]
    # Soon after a Monday began nobody has come yet this week.
    expect(progress.locator(".messages")).to_contain_text(
        re.compile("weeks updated, [01] unchanged, 0 failed")
    )
    counts = dict(text.split("\n") for text in progress.locator(".result > div").all_inner_texts())
    assert counts["weeks that could not be counted"] == "0"
    assert int(counts["weeks compared"]) - int(counts["weeks changed"]) in {0, 1}
    expect(page.get_by_role("group", name="Visitors per week").first).to_be_visible()

    sandbox_process.control.scopes("cohort:read")
    page.get_by_role("button", name="Only visitors").click()
    expect(progress.locator(".state")).to_have_text("failed", timeout=_RUN_MS)
    expect(progress.locator(".problem")).to_contain_text("query:read")
    expect(page.locator(".facts")).to_contain_text("1 failed")
    sandbox_process.control.scopes("query:read")

    page.get_by_role("button", name="Only events and leads").click()
    expect(progress.locator("h3")).to_have_text("Events and leads succeeded", timeout=_RUN_MS)
    counts = dict(text.split("\n") for text in progress.locator(".result > div").all_inner_texts())
    assert counts == {
        "new events": "30",
        "events known before": "0",
        "events without a use": "0",
        "leads with something new": "1",
    }
    expect(progress).to_contain_text("started by 127.0.0.1 without a login")
    kinds = reading.query(home / "data" / "published", "SELECT kind FROM runs").rows
    assert kinds == (("manual",),)
    opened = progress.get_by_role("link").get_attribute("href")
    shows(open_page(opened, complaints=_OF_DAGSTER), 'Finished execution of run for "sync"')
    expect(page.get_by_role("group", name="Leads per day by type").first).to_be_visible()
    expect(page.get_by_role("row", name="listing-1")).to_contain_text("100.0 %")
    page.goto(f"{site.page}/days/{first_day}")
    partition = page.get_by_role("link", name="The day's partition in Dagster").get_attribute(
        "href"
    )
    shows(open_page(partition, complaints=_OF_DAGSTER), str(first_day))
    asset = f"{ui.url}/assets/leads?view=overview"
    shows_the_plot(open_page(asset, complaints=_OF_DAGSTER))


def shows(page, text):
    """The page of the Dagster UI has the thing that it was asked for."""
    expect(page.get_by_text(text).first).to_be_visible()


def shows_the_plot(page):
    """The picture in an asset's metadata is drawn when it is opened, and nothing outside is asked for."""
    page.get_by_text("[Show Markdown]").first.click()
    plot = page.get_by_role("img", name="lead records by score")
    expect(plot).to_be_visible()
    assert plot.evaluate("image => image.naturalWidth") > 0
