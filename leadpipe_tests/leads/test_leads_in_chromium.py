"""The pages of leads as people use them: by keyboard, by touch, without JavaScript, in the dark."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from leadpipe_tests.leads.builders import edits_of, publish_leads, say
from leadpipe_tests.web.browser.serving import PAGE


@pytest.fixture
def leads_page(serve, tmp_path):
    """The address of the list, of seven published leads and sixty more."""
    publish_leads(tmp_path, more=60)
    return serve().page.replace(PAGE, "/leads")


def row_of(page, seeker):
    """The row of a seeker's lead."""
    return page.locator("[data-row]").filter(has=page.get_by_text(seeker, exact=True))


def violations(page):
    """What axe finds wrong with a page: the rule, and where."""
    found = Axe().run(page).response["violations"]
    return [(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found]


def test_yesterdays_best_lead_is_answered_by_keyboard_alone(leads_page, open_page, tmp_path):
    """Find yesterday's best unanswered lead, call it contacted, write a note: 14 keys and the note."""
    page = open_page(leads_page)
    press = page.keyboard.press
    press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    press("Enter")
    for _ in range(4):  # Export, All, Unanswered, Unanswered yesterday
        press("Tab")
    expect(page.get_by_role("link", name="Unanswered, yesterday")).to_be_focused()
    press("Enter")
    expect(page.locator("#summary")).to_have_text("3 leads")
    expect(page.get_by_label("all on this page")).to_be_visible()  # the script is there
    press("j")
    first = page.get_by_role("link", name="villa-accra-12").first
    expect(first).to_be_focused()
    assert first.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
    press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("villa-accra-12 ama")
    expect(page.get_by_role("button", name="Set")).to_be_hidden()  # the script is there
    press("s")
    status = page.get_by_label("Status")
    expect(status).to_be_focused()
    press("ArrowDown")
    expect(status).to_have_value("contacted")
    press("Enter")
    expect(page.locator("#said")).to_have_text("Called contacted.")
    expect(page.get_by_label("Status")).to_be_focused()
    press("Escape")
    press("n")
    page.keyboard.type("Wants to see it on Saturday")
    press("Tab")
    press("Enter")
    expect(page.locator("#said")).to_have_text("Note kept.")
    expect(page.locator(".moments li").first).to_contain_text("Wants to see it on Saturday")
    press("u")
    expect(page.get_by_role("heading", level=1)).to_have_text("Leads")
    assert [(edit.kind, edit.value) for edit in edits_of(tmp_path).edits()] == [
        ("status", "contacted"),
        ("note", "Wants to see it on Saturday"),
    ]


def test_a_list_is_worked_through_in_place(leads_page, open_page):
    """A status set in the list leaves one on the row; undo is at hand; the page is not loaded again."""
    page = open_page(leads_page)
    page.evaluate("window.stays = true")
    row = row_of(page, "kofi")
    expect(row.get_by_role("button")).to_be_hidden()
    row.get_by_role("combobox").select_option("qualified")
    row.get_by_role("button", name="Set the status of villa-accra-12 · kofi").click()
    expect(page.locator("#said")).to_have_text("1 lead called qualified.")
    expect(row_of(page, "kofi").get_by_role("combobox")).to_have_value("qualified")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#said")).to_have_text("Undone: 1 change.")
    expect(row_of(page, "kofi").get_by_role("combobox")).to_have_value("new")
    assert page.evaluate("window.stays") is True


def test_search_answers_while_one_types(leads_page, open_page):
    """The rows follow the field, the address follows the rows, and one goes on typing."""
    page = open_page(leads_page)
    page.keyboard.press("/")
    search = page.get_by_role("searchbox")
    expect(search).to_be_focused()
    page.keyboard.type("tema")
    expect(page.locator("#summary")).to_have_text("2 leads")
    expect(search).to_be_focused()
    expect(page).to_have_url(re.compile(r"/leads\?q=tema$"))
    page.get_by_label("new").check()
    expect(page).to_have_url(re.compile(r"q=tema&status=new$"))
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value("tema")
    expect(page.get_by_label("new")).to_be_checked()


def test_many_are_set_at_once(leads_page, open_page):
    """All of a page are ticked by one box, and set by one button."""
    page = open_page(f"{leads_page}?q=kumasi")
    page.get_by_label("all on this page").check()
    expect(page.locator("#ticked")).to_have_text("2 ticked")
    page.get_by_label("Call those ticked").select_option("lost")
    page.locator("#bulk").get_by_role("button", name="Set").click()
    expect(page.locator("#said")).to_have_text("2 leads called lost.")


def test_who_was_slower_is_told(leads_page, open_page, tmp_path):
    """A conflict is shown with the focus on the way on, and nothing is overwritten until that is pressed."""
    page = open_page(leads_page, complaints="409")
    lead_id = (row_of(page, "ama").get_attribute("id") or "").removeprefix("lead-")
    say(tmp_path, lead_id, "contacted", author="Ada")
    row_of(page, "ama").get_by_role("combobox").select_option("lost")
    row_of(page, "ama").get_by_role("button").click()
    expect(page.get_by_role("alert")).to_contain_text(
        "villa-accra-12 · ama: Ada called it contacted just now; your lost was not saved."
    )
    anyway = page.get_by_role("button", name="Call it lost anyway")
    expect(anyway).to_be_focused()
    assert [edit.value for edit in edits_of(tmp_path).edits()] == ["contacted"]
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_have_text("1 lead called lost.")


def test_without_javascript_everything_works(leads_page, open_page):
    """Search, status, conflict-free undo and notes are plain forms."""
    page = open_page(leads_page, java_script_enabled=False)
    page.get_by_role("searchbox").fill("kofi")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#summary")).to_have_text("1 lead")
    page.locator("[data-row] select").select_option("contacted")
    page.get_by_role("button", name="Set the status of").click()
    expect(page.locator(".told")).to_contain_text("1 lead called contacted.")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[data-row] select")).to_have_value("new")
    page.get_by_role("link", name="villa-accra-12").click()
    page.get_by_label("What should the next person know?").fill("Call again")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator(".moments li").first).to_contain_text("Call again")


def test_fingers_are_enough(leads_page, open_page, tmp_path):
    """On a phone a lead is found, called contacted and noted by touch; targets are large enough."""
    page = open_page(leads_page, width=390, height=844, has_touch=True, is_mobile=True)
    page.get_by_role("link", name="Unanswered, yesterday").tap()
    page.get_by_role("link", name="villa-accra-12").first.tap()
    expect(page.get_by_role("heading", level=1)).to_contain_text("villa-accra-12")
    page.wait_for_load_state("load")  # its style is there
    page.get_by_label("Status").select_option("contacted")
    button = page.locator("form.status").get_by_role("button")
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 40
    button.tap()
    expect(page.locator("#said")).to_have_text("Called contacted.")
    assert len(edits_of(tmp_path).edits()) == 1


@pytest.mark.parametrize("width", [320, 390, 700, 820, 1_280])
def test_nothing_scrolls_sideways(leads_page, open_page, tmp_path, width):
    """From the narrowest phone on, list and lead are as wide as the screen, all filters open."""
    page = open_page(leads_page, width=width)
    page.locator("summary").click()
    page.locator("[data-row] select").first.select_option("converted")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.locator("[data-open]").first.click()
    page.locator("summary").click()
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(leads_page, open_page, tmp_path, scheme):
    """The rules of axe-core hold on the list, with a conflict, and on a lead with notes."""
    page = open_page(leads_page, color_scheme=scheme, bypass_csp=True, complaints="409")
    page.locator("summary").click()
    assert violations(page) == []
    lead_id = (row_of(page, "ama").get_attribute("id") or "").removeprefix("lead-")
    say(tmp_path, lead_id, "contacted", author="Ada")
    row_of(page, "ama").get_by_role("combobox").select_option("lost")
    row_of(page, "ama").get_by_role("button").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert violations(page) == []
    page.goto(f"{leads_page}/{lead_id}")
    page.get_by_label("What should the next person know?").fill("Call again")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator(".told")).to_be_visible()
    page.locator("summary").click()
    assert violations(page) == []
