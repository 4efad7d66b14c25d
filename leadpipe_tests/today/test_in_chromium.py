"""The page Today in a browser: by keyboard, by touch, in the dark, on a phone, and without JavaScript."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from leadpipe_tests.leads.builders import publish_leads
from leadpipe_tests.today.builders import something_new

PAGE = "/admin/sync"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 820, 1_440])
def test_it_fits_and_can_be_read(serve, open_page, tmp_path, width, scheme):
    """Nothing is wider than the screen, and axe finds nothing, with much to say and with nothing."""
    site = serve()
    address = site.page.replace(PAGE, "/")
    for _ in range(2):
        page = open_page(address, width=width, color_scheme=scheme)
        expect(page.get_by_role("heading", name="Today", level=1)).to_be_visible()
        assert Axe().run(page).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        if not (tmp_path / "data" / "published").exists():
            something_new(tmp_path)


def test_the_best_lead_is_found_by_keyboard(serve, open_page, tmp_path):
    """From the address to the first lead to call, by Tab and Enter; and back to the list of a number."""
    publish_leads(tmp_path)
    page = open_page(serve().page.replace(PAGE, "/today"))
    best = page.get_by_role("link", name="house-tema-7 · adwoa", exact=True)
    for _ in range(40):
        page.keyboard.press("Tab")
        if best.evaluate("node => node === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("house-tema-7")
    page.go_back()
    page.get_by_role("link", name="4 not answered").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_have_text("4 leads")


def test_it_works_without_javascript_and_by_touch(serve, open_page, tmp_path):
    """Links are links; a tap anywhere on a tile opens its list."""
    publish_leads(tmp_path)
    address = serve().page.replace(PAGE, "/today")
    page = open_page(address, width=390, java_script_enabled=False, has_touch=True)
    page.locator(".tiles > li", has_text="new leads since yesterday").tap()
    expect(page.locator("#summary")).to_have_text("4 leads")


def test_an_address_that_is_not_there_leads_on(serve, open_page):
    """A page with the navigation and one way on, without findings."""
    page = open_page(
        serve().page.replace(PAGE, "/nosuch"), width=390, complaints="Failed to load resource"
    )
    assert Axe().run(page).response["violations"] == []
    page.get_by_role("link", name="Go to Today").click()
    expect(page.get_by_role("heading", name="Today", level=1)).to_be_visible()
