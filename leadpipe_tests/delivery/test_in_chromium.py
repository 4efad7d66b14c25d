"""The delivery page as people use it: rates, covered leads, one click to send one again."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from leadpipe.published.tables import publish_tables
from leadpipe_tests.delivery.builders import accepted, deliver_to, hand_over, lead
from leadpipe_tests.delivery.partner_process import PartnerProcess
from leadpipe_tests.web.browser.serving import PAGE

_EMAIL = re.compile(r"jane\d@example\.org")  # of whichever lead the partner met second


@pytest.fixture
def partner(clock):
    """A test partner of this test's own."""
    with PartnerProcess.start() as process:
        clock.take_along(process.set_clock)
        yield process


def test_a_failed_lead_is_sent_again_with_one_click(serve, open_page, warehouse, partner, tmp_path):
    """Personal data is covered until asked for; the button sends the lead, and the rate rises."""
    partner.configure(script=["accept", "reject"])
    hand_over(warehouse, lead(1), lead(2))
    deliver_to(partner, warehouse)
    with warehouse.connect() as connection:
        publish_tables(connection, tmp_path / "data" / "published")
    site = serve(
        npa_api_url=partner.url, npa_api_key=partner.api_key, npa_settle_seconds=0, clock=None
    )
    page = open_page(site.page)
    expect(page.get_by_role("heading", name="Deliveries")).to_be_visible()
    page.get_by_role("link", name="Success rates").click()
    expect(page.get_by_role("heading", name="Lead delivery")).to_be_visible()
    expect(page.locator("tbody").first).to_contain_text("50.0 %")
    expect(page.get_by_role("main")).not_to_contain_text(_EMAIL)
    page.get_by_role("link", name="Show personal data").click()
    expect(page.get_by_role("main")).to_contain_text(_EMAIL)
    assert Axe().run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Retry lead").click()
    expect(page.get_by_text("No failed lead.")).to_be_visible()
    expect(page.locator("tbody").first).to_contain_text("100.0 %")
    assert accepted(partner) == ["1", "2"]
    page.get_by_role("link", name="System").first.click()
    expect(page).to_have_url(site.page)
    assert PAGE in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone(serve, open_page, warehouse, tmp_path, scheme):
    """At 360 pixels nothing but the tables scrolls sideways, in both colour schemes."""
    hand_over(warehouse, lead(1, zip_code="1"))
    with warehouse.connect() as connection:
        publish_tables(connection, tmp_path / "data" / "published")
    page = open_page(serve().page.replace(PAGE, "/admin/delivery"), width=360, color_scheme=scheme)
    expect(page.get_by_role("heading", name="Failed leads")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert Axe().run(page).response["violations"] == []
