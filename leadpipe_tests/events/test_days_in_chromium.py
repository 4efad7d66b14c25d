"""The strip of days as people use it: mouse, keys, touch, without a script, and by the rules of axe."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.test_monitoring import a_day
from leadpipe_tests.web.browser.serving import PAGE
from leadpipe_tests.web.builders import publish_some
from leadpipe_tests.web.fake_dagster import FakeDagster

DAY = TODAY - timedelta(days=3)
SAID = "Wed 18 Nov 2026: differs: 3 missing here. PostHog 120 events, here 117."
TODO = "Every sync reads what differs. If it stays so, read the day whole again."


@pytest.fixture
def site(serve, tmp_path):
    """A page with a hundred days, one of them red, a refused file, and a sync under way."""
    publish_some(tmp_path)
    with Warehouse(tmp_path / "data" / "leadpipe.duckdb").connect() as connection:
        connection.execute("DELETE FROM event_days")
        for ago in range(100):
            day = TODAY - timedelta(days=ago)
            here = 117 if day == DAY else 120
            connection.execute(a_day(day, posthog=120, here=here, since=5.0))
        connection.execute(
            "INSERT INTO exported_files BY NAME SELECT "
            "'exports/2026-11-20T11:00:00+00:00-2026-11-20T12:00:00+00:00.parquet.zst' AS key, 'e' AS e_tag, "
            "1000 AS size, $now AS interval_end, 'unreadable' AS state, 'it is cut off' AS reason, "
            "$now AS first_seen_at",
            {"now": NOW},
        )
        publish_tables(connection, tmp_path / "data" / "published", now=NOW)
    dagster = FakeDagster(under_way="run-1", states=["STARTED"])
    return serve(dagster=dagster, start_date=(TODAY - timedelta(days=99)).isoformat())


def cell_of(page, day):
    """The cell of a day."""
    return page.locator(f'a.day[href$="/days/{day}"]')


def test_the_mouse_shows_a_day(site, open_page):
    """Date, verdict, both counts and what to do, below the strip; a click leads to the day."""
    page = open_page(site.page)
    cell_of(page, DAY).hover()
    expect(page.locator(".said")).to_have_text(f"{SAID} {TODO}")
    cell_of(page, DAY).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Wednesday, {DAY}")


def test_the_arrow_keys_walk_the_days(site, open_page):
    """One cell of the strip is on the way of the Tab key beside the red ones; from it all can be reached."""
    page = open_page(site.page)
    assert page.locator('a.day:not([tabindex="-1"])').count() == 2
    cell_of(page, TODAY).focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    expect(cell_of(page, DAY)).to_be_focused()
    expect(page.locator(".said")).to_have_text(f"{SAID} {TODO}")
    page.keyboard.press("ArrowLeft")
    expect(cell_of(page, DAY - timedelta(days=7))).to_be_focused()
    page.keyboard.press("End")
    expect(cell_of(page, TODAY)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Monday, 2026-08-24")


def test_a_touch_shows_a_day_and_the_second_leads_there(site, open_page):
    """What the mouse shows a finger finds, too."""
    page = open_page(site.page, width=390, has_touch=True)
    cell_of(page, DAY).tap()
    expect(page.locator(".said")).to_have_text(f"{SAID} {TODO}")
    assert page.url.endswith(PAGE)
    cell_of(page, DAY).tap()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Wednesday, {DAY}")


def test_without_javascript_the_days_are_links(site, open_page):
    """A cell leads to its day, and the day's button starts the run that reads it."""
    page = open_page(site.page, java_script_enabled=False, complaints="409")
    cell_of(page, DAY).click()
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    page.get_by_role("button", name="Read again").click()
    expect(page.get_by_role("alert")).to_contain_text("A sync is under way (run run-1).")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 820, 1_440])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(site, open_page, width, scheme):
    """The page, its days further back, and one day: at every width, in light and dark."""
    page = open_page(site.page, width=width, color_scheme=scheme, bypass_csp=True)
    for path in ("", "/days?until=2026-08-22", f"/days/{DAY}"):
        page.goto(site.page + path)
        for summary in page.locator("summary").all():
            summary.click()
        found = Axe().run(page).response["violations"]
        assert [(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
