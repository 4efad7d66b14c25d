"""Pages of numbers as people use them: values by mouse, touch and keys, on any screen, without JavaScript."""

import re
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import build_marts, event, take_in
from leadpipe_tests.visitors.builders import store_some
from leadpipe_tests.web.browser.serving import PAGE

_PATHS = ("/listings", "/listings/villa-accra-12?period=7", "/visitors")


@pytest.fixture
def pages(serve, tmp_path):
    """The address of `/`, over thirty listings with some days of views, leads, page views and sources."""
    warehouse = Warehouse(tmp_path / "data" / "leadpipe.duckdb")
    warehouse.path.parent.mkdir()
    events = [
        event(
            "property_view",
            NOW - timedelta(hours=7 * n),
            listing_id="villa-accra-12" if n % 2 else f"a-listing-with-quite-a-long-name-{n}",
            viewed_from="search" if n % 3 else "home",
        )
        for n in range(60)
    ]
    events += [
        event(
            kind,
            NOW - timedelta(days=n, hours=1),
            listing_id="villa-accra-12",
            seeker_id=f"seeker-{n}",
            agent_id="agent-7",
            utm_source="google",
        )
        for n, kind in enumerate(("lead_phone", "lead_appointment", "lead_phone"))
    ]
    events += [
        event(
            "$pageview",
            NOW - timedelta(days=n % 5, minutes=n),
            person_id=f"person-{n}",
            utm_source="google" if n % 2 else None,
            utm_campaign="autumn" if n % 2 else None,
            **{"$referring_domain": "news.example.com"},
        )
        for n in range(20)
    ]
    take_in(warehouse, warehouse.path.parent, events)
    build_marts(warehouse)
    with warehouse.connect() as connection:
        store_some(connection, run_id="run-1", error=None)
        publish_tables(connection, tmp_path / "data" / "published")
    return serve().page.removesuffix(PAGE)


def test_the_values_of_a_chart_come_by_mouse_keys_and_touch(pages, open_page):
    """Under the mouse; with Tab and the arrow keys, Home and End; at a touch; away with Escape."""
    page = open_page(f"{pages}/listings/villa-accra-12?period=7")
    note = page.locator(".value-note")
    chart = page.get_by_role("group", name=re.compile("^Views"))
    points = chart.locator(".point")
    points.nth(3).hover()
    expect(note).to_be_visible()
    expect(note).to_contain_text(points.nth(3).get_attribute("aria-label").partition(":")[0])
    page.mouse.move(5, 5)
    expect(note).to_be_hidden()
    page.get_by_role("button", name="Show").focus()
    for _ in range(6):
        page.keyboard.press("Tab")
        if points.nth(6).evaluate("node => node === document.activeElement"):
            break
    expect(points.nth(6)).to_be_focused()
    expect(note).to_contain_text("21 Nov")
    page.keyboard.press("ArrowLeft")
    expect(points.nth(5)).to_be_focused()
    expect(note).to_contain_text("20 Nov")
    page.keyboard.press("Home")
    expect(note).to_contain_text("15 Nov")
    page.keyboard.press("Escape")
    expect(note).to_be_hidden()
    touched = open_page(
        f"{pages}/listings/villa-accra-12", width=390, has_touch=True, is_mobile=True
    )
    touched.get_by_role("group", name=re.compile("^Views")).locator(".point").nth(27).tap()
    expect(touched.locator(".value-note")).to_contain_text("views")
    box = touched.locator(".value-note").bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


def test_what_conversion_means_is_told_by_key_and_touch(pages, open_page):
    """The question mark opens a sentence with Enter and with a finger, the same on both pages."""
    page = open_page(f"{pages}/listings")
    hint = page.locator(".hint").first
    hint.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(hint.locator("p")).to_be_visible()
    said = hint.locator("p").inner_text()
    assert said.startswith("Lead actions (calls, messages")
    touched = open_page(
        f"{pages}/listings/villa-accra-12", width=390, has_touch=True, is_mobile=True
    )
    touched.locator(".hint summary").first.tap()
    expect(touched.locator(".hint p").first).to_have_text(said)


def test_a_listings_hours_are_found_and_exported_by_keyboard_alone(pages, open_page):
    """From the list to the listing, its last seven days, its hours, and the file of them."""
    page = open_page(f"{pages}/listings")
    page.get_by_role("link", name="villa-accra-12").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("villa-accra-12")
    page.get_by_role("link", name="7 days").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("period=7"))
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("group", name=re.compile("^Hours of the day"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export hours").focus()
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "hours.csv"


@pytest.mark.parametrize("width", [320, 390, 820, 1_440])
@pytest.mark.parametrize("path", _PATHS)
def test_nothing_scrolls_sideways(pages, open_page, path, width):
    """From the narrowest phone on, everything opened."""
    page = open_page(pages + path, width=width)
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_axe_finds_nothing(pages, open_page):
    """The rules of axe-core hold in light and dark, everything opened."""
    for scheme in ("light", "dark"):
        for path in (*_PATHS, "/listings/nobody"):
            missing = "404" if path.endswith("nobody") else ""
            page = open_page(pages + path, color_scheme=scheme, bypass_csp=True, complaints=missing)
            for details in page.locator("details:not(.hint) > summary").all():
                details.click()
            found = Axe().run(page).response["violations"]
            assert [(path, rule["id"]) for rule in found] == []


def test_without_javascript_the_pages_do_the_same(pages, open_page):
    """Periods, dates, search, sorting and tables are links and forms; a point has its title."""
    page = open_page(f"{pages}/listings", java_script_enabled=False)
    page.get_by_label("From").fill("2026-11-15")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".summary").first).to_contain_text("15–21 Nov, compared with 9–14 Nov")
    page.get_by_role("link", name="Views").click()
    expect(page.locator(".list th").filter(has_text="Views")).to_have_attribute(
        "aria-sort", "descending"
    )
    page.get_by_label("Listing or lister").fill("agent-7")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".list tbody tr")).to_have_count(1)
    expect(page.locator(".summary").first).to_contain_text("15–21 Nov")
    assert page.locator(".point title").first.text_content()


def test_the_live_count_moves_on_the_page_of_visitors(pages, open_page):
    """The same feed as on the first page, without its script."""
    page = open_page(f"{pages}/visitors")
    expect(page.locator("#feed-text")).to_have_text("live")
    expect(page.locator("#week")).to_have_text("16–22 Nov")
    expect(page.get_by_role("region", name="Sources as a table")).to_contain_text("google")
