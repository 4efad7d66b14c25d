"""The page Today: each number is its list's, what is new since one looked, and what to do first."""

import html
import re
from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest
from starlette.testclient import TestClient

from leadpipe.web.app import create_app
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, take_in
from leadpipe_tests.leads.builders import publish, publish_leads, say, warehouse_of
from leadpipe_tests.web.fixtures import TOKEN, web_settings

_TILE = re.compile(r'<a href="([^"]+)"><strong>([^<]+)</strong> ([^<]+)</a>')
_PART = re.compile(r'<li><a href="(/leads\?[^"]+)">([^<]+) <b>(\d+)</b></a></li>')


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def moving():
    """The application's time."""
    return Clock()


@pytest.fixture
def browser(tmp_path, moving):
    """Open a browser on one application: `browser()`."""
    with ExitStack() as stack:

        def opened(**settings):
            app = create_app(web_settings(tmp_path, **settings), clock=moving)
            return stack.enter_context(
                TestClient(app, client=("127.0.0.1", 50_000), base_url="http://localhost")
            )

        yield opened


def tiles(text):
    """The numbers with a list, by label."""
    return {label: (value, html.unescape(path)) for path, value, label in _TILE.findall(text)}


def listed(page, path):
    """How many leads a list has."""
    found = re.search(r'id="summary" role="status">([\d,]+) lead', page.get(path).text)
    assert found is not None
    return found[1]


def end_runs(tmp_path):
    """The syncs so far are over, as they are when nothing is under way."""
    warehouse = warehouse_of(tmp_path)
    with warehouse.connect() as connection:
        connection.execute("UPDATE runs SET status = 'succeeded', finished_at = started_at")
    publish(warehouse)


def bring(tmp_path, seeker, *, run_id, at):
    """A sync brings a lead."""
    warehouse = warehouse_of(tmp_path)
    more = [event("lead_phone", at, listing_id="new-one", seeker_id=seeker)]
    take_in(warehouse, warehouse.path.parent, more, run_id=run_id, now=at)
    end_runs(tmp_path)


def test_every_number_of_leads_is_that_of_its_list(browser, tmp_path):
    """The list behind a number has as many leads as the number says."""
    publish_leads(tmp_path)
    page = browser()
    text = page.get("/today").text
    [kofi] = re.findall(r'<a href="/leads/(\w+)" aria-label="villa-accra-12 · kofi"', text)
    say(tmp_path, kofi, "contacted", now=NOW - timedelta(hours=17))
    text = page.get("/").text
    found = tiles(text)
    parts = {label: (value, html.unescape(path)) for path, label, value in _PART.findall(text)}
    assert {label: value for label, (value, _) in found.items() if "/leads" in found[label][1]} == {
        "new leads since yesterday": "4",
        "with 50 points or more": "0",
        "not answered": "3",
        "median time to first response": "2 h",
        "unanswered in all": "6",
    }
    assert {label: value for label, (value, _) in parts.items()} == {
        "under a day": "3",
        "1 to 7 days": "1",
        "7 to 30 days": "1",
        "over 30 days": "1",
    }
    del found["median time to first response"]
    for value, path in [
        *(each for each in found.values() if each[1].startswith("/leads")),
        *parts.values(),
    ]:
        assert listed(page, path) == value, path


def test_yesterday_is_the_teams(browser, tmp_path):
    """Where the day began earlier, yesterday did too: the lead of 26 hours before noon is of it or not."""
    publish_leads(tmp_path)
    assert "since=2026-11-20T00%3A00%3A00Z" in browser().get("/today").text
    there = browser(alert_timezone="Pacific/Auckland").get("/today").text
    assert "Sunday, 22 November 2026" in there
    assert "since=2026-11-20T11%3A00%3A00Z" in there


def test_what_is_new_since_one_looked(browser, moving, tmp_path):
    """A browser is told what syncs brought since its last look, and half an hour on; others are not."""
    publish_leads(tmp_path)
    end_runs(tmp_path)
    mine, other = browser(), browser()
    assert "new since you looked" not in mine.get("/").text
    moving.now += timedelta(hours=2)
    bring(tmp_path, "efua", run_id="run-2", at=moving.now)
    for _ in range(2):
        text = mine.get("/").text
        value, path = tiles(text)["new since you looked"]
        assert (value, listed(mine, path)) == ("1", "1")
        assert "you looked before at 12:00" in text
        moving.now += timedelta(minutes=10)
    assert "new since you looked" not in other.get("/").text
    moving.now += timedelta(hours=1)
    assert tiles(mine.get("/").text)["new since you looked"][0] == "0"


def test_a_sync_that_ends_late_is_new_all_the_same(browser, moving, tmp_path):
    """What a run brings that was under way when one looked is new, though the run began before."""
    publish_leads(tmp_path)
    end_runs(tmp_path)
    mine = browser()
    moving.now += timedelta(hours=1)
    began = moving.now - timedelta(minutes=5)
    warehouse = warehouse_of(tmp_path)
    with warehouse.connect() as connection:
        connection.execute(
            "INSERT INTO runs BY NAME SELECT * REPLACE ('run-late' AS run_id, 'running' AS status, "
            "$began AS started_at, NULL AS finished_at) FROM runs LIMIT 1",
            {"began": began},
        )
    publish(warehouse)
    mine.get("/")
    with warehouse.connect() as connection:
        connection.execute("DELETE FROM runs WHERE run_id = 'run-late'")
    moving.now += timedelta(hours=1)
    bring(tmp_path, "efua", run_id="run-late", at=began)
    assert tiles(mine.get("/").text)["new since you looked"][0] == "1"


def test_listings_and_visitors_lead_to_their_pages(browser, tmp_path):
    """What rises is named, with what it had before."""
    warehouse = warehouse_of(tmp_path)
    warehouse.path.parent.mkdir(parents=True)
    yesterday = NOW - timedelta(days=1)
    events = [event("property_view", yesterday, listing_id="house/1") for _ in range(9)]
    events.append(event("property_view", NOW - timedelta(days=3), listing_id="house/1"))
    events += [
        event("$pageview", NOW - timedelta(hours=hours), person_id=f"p-{hours}")
        for hours in (1, 2, 3, 24 * 7 + 1, 24 * 7 - 1)
    ]
    take_in(warehouse, warehouse.path.parent, events)
    with warehouse.connect() as connection:
        connection.execute("UPDATE event_days SET read_until = $now", {"now": NOW})
    publish(warehouse)
    text = browser().get("/today").text
    assert 'href="/listings/house%2F1">house/1</a> <span class="value">9 views</span>' in text
    assert "0.1 a day before" in text
    found = tiles(text)
    value, path = found["views yesterday"]
    assert (value, path) == ("9", "/listings?from=2026-11-20&to=2026-11-20")
    assert "<dt>Views</dt><dd>9" in browser().get(path).text
    assert found["visitors this week so far"] == ("3", "/visitors")
    assert "+200 % against the same 6 days of last week (1)" in text


def test_sums_of_a_day_follow_what_is_published_and_the_day(browser, moving, tmp_path):
    """What is summed once is summed again after a publication, and when the day is another."""
    warehouse = warehouse_of(tmp_path)
    warehouse.path.parent.mkdir(parents=True)
    yesterday = NOW - timedelta(days=1)
    page = browser()
    for views in (1, 2):
        more = [event("property_view", yesterday, listing_id="house")]
        take_in(warehouse, warehouse.path.parent, more, run_id=f"run-{views}")
        publish(warehouse)
        for _ in range(2):
            assert tiles(page.get("/today").text)["views yesterday"][0] == str(views)
    moving.now += timedelta(days=1)
    assert tiles(page.get("/today").text)["views yesterday"][0] == "0"


def test_a_fresh_install_says_what_to_do(browser):
    """Nothing was loaded: the steps, and no numbers."""
    text = browser().get("/").text
    assert "Nothing was loaded yet" in text
    assert 'Open <a href="/admin/sync">System</a>' in text
    assert ".env.example" in text
    assert "<strong>" not in text.partition("<ol>")[0]


def test_people_land_on_it_after_the_login(browser):
    """The first page, first in the navigation; nobody sees it without the token."""
    page = browser(admin_token=TOKEN)
    login = page.get("/")
    assert login.url.path == "/login"
    csrf = re.search(r'name="csrf" value="([^"]+)"', login.text)
    assert csrf is not None
    answer = page.post("/login", data={"csrf": csrf[1], "token": TOKEN})
    assert answer.url.path == "/"
    assert '<a href="/today" aria-current="page">Today</a>' in answer.text
    assert re.findall(r'<a href="(/[^"]*)"(?: aria-current="page")?>', answer.text)[0] == "/today"


def test_what_needs_a_person_comes_first(browser, tmp_path):
    """A red day is one line that leads to System."""
    publish_leads(tmp_path)
    text = browser().get("/today").text
    assert re.search(r'<li class="bad"><a href="/admin/sync">[\d,]+ days are not proved', text)
