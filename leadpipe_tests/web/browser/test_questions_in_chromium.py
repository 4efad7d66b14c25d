"""The questions in a browser: copying, narrow screens, light and dark, axe."""

import pytest
from playwright.sync_api import expect

from leadpipe.published.questions import questions
from leadpipe_tests.web.browser.serving import PAGE
from leadpipe_tests.web.browser.test_page_in_chromium import violations
from leadpipe_tests.web.builders import publish_some

_ALL = "/questions"
_ONE = "/questions/events/events-week-over-week"


def test_the_sql_is_copied(serve, open_page, tmp_path):
    """From the first page by a link to the questions, to one of them; its button copies what is shown."""
    publish_some(tmp_path)
    page = open_page(serve().page, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="Questions").click()
    [question] = [one for one in questions() if one.name == "events_week_over_week"]
    page.get_by_role("link", name=question.title).click()
    page.get_by_role("button", name="Copy the SQL").click()
    expect(page.get_by_role("button", name="Copy the SQL")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == question.sql


def test_without_javascript_there_is_no_button_and_everything_else(serve, open_page, tmp_path):
    """Who runs no scripts reads and marks."""
    publish_some(tmp_path)
    page = open_page(serve().page.replace(PAGE, _ONE), java_script_enabled=False)
    expect(page.locator("table")).to_contain_text("property_view")
    expect(page.locator("button.copy")).to_have_count(3)
    assert not any(button.is_visible() for button in page.locator("button.copy").all())


@pytest.mark.parametrize("path", [_ALL, _ONE])
@pytest.mark.parametrize("width", [320, 820, 1_280])
def test_nothing_scrolls_sideways(serve, open_page, tmp_path, path, width):
    """The page is as wide as the screen; SQL and answers scroll in themselves."""
    publish_some(tmp_path)
    page = open_page(serve().page.replace(PAGE, path), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [_ALL, _ONE])
def test_axe_finds_nothing(serve, open_page, tmp_path, path, scheme):
    """The rules of axe-core, contrast among them, hold."""
    publish_some(tmp_path)
    page = open_page(serve().page.replace(PAGE, path), color_scheme=scheme, bypass_csp=True)
    assert violations(page) == []
