"""A morning's work from Today to a file, by keys alone and by touch alone; the presses and taps are counted.

Find the best unanswered lead since yesterday, call it contacted, write a note, see its listing's hours, and
export their week.
`-s` prints the presses, the taps and the seconds; docs/pages.md has them.
"""

import csv
import io
import re
import sys
import time
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from leadpipe_tests.clocks import NOW
from leadpipe_tests.leads.builders import edits_of, publish_leads
from leadpipe_tests.web.browser.serving import PAGE

_NOTE = "Wants to see it on Saturday"


@pytest.fixture
def today(serve, tmp_path):
    """The address of Today, over seven leads and sixty more."""
    publish_leads(tmp_path, more=60)
    return serve().page.replace(PAGE, "/today")


class Hands:
    """Presses and taps, counted; how long they took is printed."""

    def __init__(self, page) -> None:
        self.page = page
        self.count = 0
        self._began = time.perf_counter()

    def press(self, *keys) -> None:
        """Press keys one after the other."""
        for key in keys:
            self.page.keyboard.press(key)
            self.count += 1

    def tap(self, target) -> None:
        """Tap what is there."""
        target.tap()
        self.count += 1

    def say(self, what) -> None:
        """Print what it took."""
        seconds = time.perf_counter() - self._began
        sys.stdout.write(f"{self.count} {what}, {seconds:.1f} s with the browser's own waiting\n")


def work_was_done(folder, download):
    """The lead of adwoa is contacted and noted, and the file has the listing's hours of seven days."""
    assert [(edit.kind, edit.value) for edit in edits_of(folder).edits()] == [
        ("status", "contacted"),
        ("note", _NOTE),
    ]
    days = {row["date"] for row in csv.DictReader(io.StringIO(download.path().read_text()))}
    assert days
    assert min(days) >= (NOW - timedelta(days=6)).date().isoformat()


def test_by_keys_alone(today, open_page, tmp_path):
    """Twelve keys beside the note's own."""
    page = open_page(today, accept_downloads=True)
    hands = Hands(page)
    expect(page.get_by_role("heading", name="Call first")).to_be_visible()
    hands.press("j")
    expect(page.get_by_role("link", name="house-tema-7 · adwoa")).to_be_focused()
    hands.press("Enter")
    expect(page.get_by_role("button", name="Set")).to_be_hidden()  # the script is there
    hands.press("s", "ArrowDown", "Enter")
    expect(page.locator("#said")).to_have_text("Called contacted.")
    hands.press("Escape", "n")
    page.keyboard.type(_NOTE)
    hands.press("Tab", "Enter")
    expect(page.locator("#said")).to_have_text("Note kept.")
    hands.press("l")
    expect(page.get_by_text("Hours of the day")).to_be_visible()
    hands.press("w")
    expect(page).to_have_url(re.compile("period=7"))
    page.wait_for_load_state("load")
    with page.expect_download() as started:
        hands.press("e")
    hands.say("keys")
    work_was_done(tmp_path, started.value)
    assert hands.count == 12


def test_by_touch_alone(today, open_page, tmp_path):
    """Nine taps on a phone, the choice of the status among them."""
    page = open_page(
        today, width=390, height=844, has_touch=True, is_mobile=True, accept_downloads=True
    )
    hands = Hands(page)
    hands.tap(page.get_by_role("link", name="house-tema-7 · adwoa"))
    expect(page.get_by_role("button", name="Set")).to_be_hidden()  # the script is there
    status = page.get_by_label("Status")
    hands.tap(status)
    status.select_option("contacted")  # the phone's own list
    hands.count += 1
    hands.tap(page.locator("form.status").get_by_role("button"))
    expect(page.locator("#said")).to_have_text("Called contacted.")
    hands.tap(page.get_by_label("What should the next person know?"))
    page.keyboard.type(_NOTE)
    hands.tap(page.get_by_role("button", name="Add the note"))
    expect(page.locator("#said")).to_have_text("Note kept.")
    hands.tap(page.get_by_role("heading", level=1).get_by_role("link"))
    expect(page.get_by_text("Hours of the day")).to_be_visible()
    hands.tap(page.get_by_role("link", name="7 days"))
    expect(page).to_have_url(re.compile("period=7"))
    with page.expect_download() as started:
        hands.tap(page.get_by_role("link", name="Export hours"))
    hands.say("taps")
    work_was_done(tmp_path, started.value)
    assert hands.count == 9
