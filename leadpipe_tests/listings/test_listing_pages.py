"""The pages of listings: numbers of a period, the list, one listing, the files, and the addresses."""

import csv
import io
import re
from datetime import date, timedelta
from urllib.parse import parse_qsl

import pytest

from leadpipe.listings.numbers import one_listing, period_shown
from leadpipe.listings.views import read_view
from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse
from leadpipe.web.overview import looking
from leadpipe.web.periods import Period, Total, days_label, read_period
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import build_marts, event, take_in
from leadpipe_tests.web.builders import publish_some

_ODD = "villa/a b&c?é"


@pytest.fixture
def published(tmp_path):
    """Two listings over five weeks: one with an odd name, asked for; one that is only looked at."""
    warehouse = Warehouse(tmp_path / "data" / "leadpipe.duckdb")
    warehouse.path.parent.mkdir()
    ago = [0, 1, 1, 2, 30, 31]
    events = [
        event(
            "property_view",
            NOW - timedelta(days=days, minutes=n),
            listing_id=_ODD,
            viewed_from="search",
        )
        for n, days in enumerate(ago)
    ]
    events += [
        event("property_view", NOW - timedelta(days=3, minutes=n), listing_id="flat-2")
        for n in range(30)
    ]
    events += [
        event(
            "lead_phone",
            NOW - timedelta(days=days),
            listing_id=_ODD,
            seeker_id=f"seeker-{days}",
            agent_id="agent-1",
            utm_source="google",
        )
        for days in (0, 1, 29)
    ]
    take_in(warehouse, tmp_path / "data", events)
    build_marts(warehouse)
    with warehouse.connect() as connection:
        publish_tables(connection, tmp_path / "data" / "published")
    return warehouse


def period_of(**given):
    """A period of an address, without a problem."""
    period, problems = read_period(given.items(), TODAY)
    assert problems == []
    return period


def rows_of(text):
    """The names of a page's rows and their lead actions and views, in its order."""
    return [
        tuple(re.sub(r"<[^>]+>|\s+", " ", part).split()[0] for part in found)
        for found in re.findall(
            r'<th scope="row"><a [^>]*>(.*?)</a>.*?Lead actions">(.*?)</td>.*?Views">(.*?)</td>',
            text,
            re.DOTALL,
        )
    ]


def test_a_period_is_the_days_up_to_today_beside_those_before():
    """The usual one has 28 days; today is in it, and not in what is compared."""
    period = period_of()
    assert (period.first, period.last) == (TODAY - timedelta(days=27), TODAY)
    assert period.over == (period.first, TODAY - timedelta(days=1))
    assert period.before == (period.first - timedelta(days=27), period.first - timedelta(days=1))
    custom = period_of(**{"from": "2026-11-01", "to": "2026-11-07"})
    assert custom.before == (date(2026, 10, 25), date(2026, 10, 31))
    assert (custom.query, period.query, period_of(period="7").query) == (
        "from=2026-11-01&to=2026-11-07",
        "",
        "period=7",
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"period": "5"}, "period should be one of 7, 28, 90; it is left out."),
        ({"from": "gestern"}, "from should be a day such as 2026-11-01; it is left out."),
        ({"from": "2026-11-09", "to": "2026-11-01"}, "from is after to: there is no such day."),
        ({"from": "1999-01-01"}, "A period has 731 days at most."),
    ],
)
def test_a_period_that_cannot_be_is_the_usual_one_and_said(given, said):
    """One clear line, and the page is there all the same."""
    assert read_period(given.items(), TODAY) == (period_of(), [said])


@pytest.mark.parametrize(
    ("first", "last", "label"),
    [
        (date(2026, 11, 23), date(2026, 11, 29), "23–29 Nov"),
        (date(2026, 11, 30), date(2026, 12, 6), "30 Nov–6 Dec"),
        (date(2025, 12, 29), date(2026, 1, 4), "29 Dec 2025–4 Jan"),
        (date(2025, 3, 1), date(2025, 3, 9), "1–9 Mar 2025"),
        (date(2026, 3, 1), date(2026, 3, 1), "1 Mar"),
    ],
)
def test_days_are_named_as_people_say_them(first, last, label):
    """The year is told where it is not this one."""
    assert days_label(first, last, today=date(2026, 11, 20)) == label


@pytest.mark.parametrize(
    ("total", "change"),
    [
        (Total(9, 9, 6), "+50 %"),
        (Total(3, 3, 6), "−50 %"),
        (Total(6, 6, 6), "±0 %"),
        (Total(6, 6, 0), "new"),
        (Total(6, 0, 0), ""),
    ],
)
def test_a_change_is_told_in_percent(total, change):
    """Of nothing there is no percentage."""
    assert total.change == change


def test_the_numbers_of_a_period_are_those_of_its_days(published, start):
    """Views, lead actions and conversion of 28 days; types, places and askers of the same days."""
    with looking(start().app.state.web) as look:
        shown = period_shown(look, period_of(), _ODD)
    assert shown["totals"]["views"] == Total(value=4, over=3, before=2)
    assert shown["totals"]["leads"] == Total(value=2, over=1, before=1)
    assert shown["conversion"] == {"value": 50.0, "before": 50.0}
    assert [(name, rows) for name, _, rows, *_ in shown["breakdowns"]] == [
        ("What people did", [("phone", 2)]),
        ("Where views came from", [("search", 4)]),
        ("What else they did", []),
        ("Listers", [("agent-1", 2)]),
        ("Sources of leads", [("google", 2)]),
    ]
    views, leads, hours = shown["charts"]
    assert [row for row in views.rows if row[1] != (0,)] == [
        ("21 Nov", (1,)),
        ("20 Nov", (2,)),
        ("19 Nov", (1,)),
    ]
    assert (len(views.rows), leads.names, len(hours.rows)) == (28, ("phone",), 24)


def test_of_many_days_a_chart_has_weeks(published, start):
    """A year would be bars too thin to see; its sums are the same."""
    with looking(start().app.state.web) as look:
        shown = period_shown(look, period_of(**{"from": "2025-11-21"}), _ODD)
    views = shown["charts"][0]
    assert (views.first, len(views.rows)) == ("Week", 53)
    assert sum(value for _, (value,) in views.rows) == shown["totals"]["views"].value == 6


def test_the_list_is_sorted_searched_and_paged_by_its_address(published, start):
    """Most lead actions first; any column, a part of a name, and a page that is not there."""
    client = start()
    assert rows_of(client.get("/listings").text) == [
        ("villa/a", "2", "4"),
        ("flat-2", "0", "30"),
    ]
    by_views = client.get("/listings?sort=views").text
    assert [row[0] for row in rows_of(by_views)] == ["flat-2", "villa/a"]
    assert [row[0] for row in rows_of(client.get("/listings?sort=views&order=up").text)] == [
        "villa/a",
        "flat-2",
    ]
    assert [row[0] for row in rows_of(client.get("/listings?q=AGENT-1").text)] == ["villa/a"]
    beyond = client.get("/listings?page=9").text
    assert rows_of(beyond) == []
    assert "There are only 1 pages" in beyond
    odd = client.get("/listings?sort=price&page=-1")
    assert odd.status_code == 200
    assert "sort should be one of leads, views" in odd.text
    assert "page should be a whole number" in odd.text


def test_a_views_address_keeps_what_is_asked():
    """Whatever a view is, its address is read as the same view."""
    view, problems = read_view(
        [("period", "90"), ("q", "a&b=é"), ("sort", "views"), ("order", "up"), ("page", "3")], TODAY
    )
    assert problems == []
    assert read_view(parse_qsl(view.address(page=view.page)), TODAY) == (view, [])


def test_a_listing_has_a_page_whatever_its_name(published, start):
    """Slashes, spaces and signs included; who asked leads to the lead and to all of them."""
    client = start()
    [address] = re.findall(r'<a href="(/listings/villa[^"]*)">', client.get("/listings").text)
    text = client.get(address).text
    assert "by 0 people" not in text
    assert re.findall(r'href="(/leads\?listing=[^"]+)"', text) == [
        "/leads?listing=villa/a%20b%26c%3F%C3%A9"
    ]
    leads = re.findall(r'href="/leads/(\w+)">(seeker-\d+)<', text)
    assert [seeker for _, seeker in leads] == ["seeker-0", "seeker-1", "seeker-29"]
    assert client.get(f"/leads/{leads[0][0]}").status_code == 200
    assert f'href="{address}' in client.get(f"/leads/{leads[0][0]}").text


def test_a_listing_that_no_event_names_is_a_404_for_people(start, tmp_path):
    """The page says so, safely, and leads back."""
    publish_some(tmp_path)
    answer = start().get("/listings/%3Cscript%3E")
    assert answer.status_code == 404
    assert "No event names a listing &lt;script&gt;" in answer.text


def test_before_the_first_sync_the_pages_say_so(start):
    """Nothing is published: no error, and where to go."""
    client = start()
    text = client.get("/listings").text
    assert "after the first sync" in text
    assert client.get("/listings/villa").status_code == 404
    assert client.get("/visitors").status_code == 200
    assert client.get("/listings.csv").text == "nothing in these days\n"


def test_the_list_and_the_hours_are_files_too(published, start):
    """All rows of the view with the numbers that are shown; the hours of a listing in the period."""
    client = start()
    file = client.get("/listings.csv?q=villa")
    assert file.headers["content-disposition"] == 'attachment; filename="listings.csv"'
    [row] = csv.DictReader(io.StringIO(file.text))
    assert (row["listing_id"], row["lead_actions"], row["views"], row["conversion"]) == (
        _ODD,
        "2",
        "4",
        "50.0",
    )
    hours = client.get("/listings-hours.csv", params={"listing": _ODD, "period": "7"}).text
    found = list(csv.DictReader(io.StringIO(hours)))
    assert sum(int(hour["total_views"]) for hour in found) == 4
    assert [hour["date"] for hour in found] == sorted(hour["date"] for hour in found)
    assert client.get("/listings-hours.csv").status_code == 400
    assert client.get("/listings-hours.csv?listing=none").status_code == 404
    assert client.get("/listings.csv?sort=price").status_code == 400


@pytest.mark.parametrize(
    "path", ["/listings", "/listings/x", "/listings.csv", "/listings-hours.csv"]
)
def test_the_pages_want_a_login(client, path):
    """Nobody sees a number without having logged in."""
    assert client.get(path, follow_redirects=False).status_code in {303, 401}


def test_a_new_publication_is_seen_at_once(published, start, tmp_path):
    """What was made of a publication goes with it."""
    client = start()
    assert rows_of(client.get("/listings").text)[0] == ("villa/a", "2", "4")
    more = event("lead_phone", NOW - timedelta(days=2), listing_id="flat-2", seeker_id="esi")
    third = [
        event("lead_phone", NOW - timedelta(days=2), listing_id="flat-2", seeker_id=f"s{n}")
        for n in range(2)
    ]
    take_in(published, tmp_path / "data", [more, *third])
    build_marts(published)
    with published.connect() as connection:
        publish_tables(connection, tmp_path / "data" / "published")
    assert rows_of(client.get("/listings").text)[0] == ("flat-2", "3", "30")


def test_many_periods_keep_few_tables(published, start):
    """Each period's table is made once; the oldest are given up, and are made again when asked for."""
    client = start()
    for day in range(1, 20):
        answer = client.get(f"/listings?from=2026-10-{day:02d}")
        assert answer.status_code == 200
    with looking(client.app.state.web) as look:
        [found] = look.query(
            "SELECT count(*) AS tables FROM duckdb_tables() "
            "WHERE starts_with(table_name, 'listings_of_period')"
        )
        assert found == {"tables": 6}
        assert one_listing(look, "nobody's") is None
    assert rows_of(client.get("/listings?from=2026-10-01").text)[0][0] == "villa/a"


def test_a_period_says_what_it_is():
    """Two periods of one name on two days are not the same: today belongs to it."""
    assert Period("7", TODAY, TODAY, TODAY) != Period("7", TODAY, TODAY, TODAY + timedelta(days=1))
