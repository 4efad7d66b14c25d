"""Views of leads: an address says which leads, and every filter finds what it says."""

from datetime import date, timedelta
from urllib.parse import parse_qsl

import pytest

from leadpipe.leads.book import LeadBook
from leadpipe.leads.views import PRESETS, LeadsView, read_view
from leadpipe_tests.clocks import NOW
from leadpipe_tests.leads.builders import edits_of, publish_leads, say


def view_of(address):
    """The view of an address, which has nothing that cannot be used."""
    view, problems = read_view(parse_qsl(address))
    assert problems == []
    return view


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """Seven published leads, kofi's called contacted since."""
    folder = tmp_path_factory.mktemp("leads")
    publish_leads(folder)
    found = LeadBook(folder / "data" / "published", edits_of(folder))
    say(folder, found.find("villa-accra-12_kofi"), "contacted")
    yield found
    found.close()


@pytest.mark.parametrize(
    ("address", "seekers"),
    [
        ("", "adwoa yaw esi kofi ama kwame abena"),
        ("sort=score", "ama adwoa kofi yaw kwame esi abena"),
        ("sort=first&order=up", "abena kwame ama kofi esi yaw adwoa"),
        ("q=VILLA", "kofi ama"),
        ("q=kofi", "kofi"),
        ("q=agent-14", "kofi ama"),
        ("q=100%25", ""),
        ("status=contacted", "kofi"),
        ("status=new&status=contacted&type=phone", "yaw kofi ama"),
        ("type=direct_message", "kwame"),
        ("score=40", "adwoa ama"),
        ("listing=tema", "adwoa kwame"),
        ("lister=agent-13", "yaw esi"),
        ("source=google", "yaw ama"),
        ("source=none", "adwoa esi kofi kwame abena"),
        ("age=day", "adwoa yaw esi kofi"),
        ("age=week", "ama"),
        ("age=month", "kwame"),
        ("age=older", "abena"),
        ("period=today", "adwoa yaw"),
        ("period=yesterday", "esi kofi ama"),
        ("from=2026-11-20&to=2026-11-20&sort=score", "ama kofi esi"),
        ("to=2026-11-19", "kwame abena"),
        ("period=today&to=2026-11-20", ""),
    ],
)
def test_a_view_finds_what_it_says(book, address, seekers):
    """Each filter, also on what people have said since the publication, and each order."""
    view = view_of(address)
    where, values = view.where(NOW, "UTC")
    with book.reading() as ask:
        rows = ask(
            f"SELECT seeker_id FROM leads_now WHERE {where} ORDER BY {view.order}", values
        ).rows
    found = " ".join(str(seeker) for (seeker,) in rows)
    assert (sorted(found.split()), len(found)) == (sorted(seekers.split()), len(seekers))
    if "sort" in address:
        assert found.split()[0] == seekers.split()[0]


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_an_address_is_a_view(name, preset):
    """Read again, the address of each named view is that view."""
    assert view_of(preset.address()) == preset


def test_every_part_of_a_view_is_in_its_address():
    """A view with everything comes back from its address; another filter begins on the first page."""
    view = LeadsView(
        q="a b&c=d",
        status=("new", "lost"),
        type="phone",
        score=5,
        listing="ü",
        lister="x",
        source="none",
        age="week",
        period="month",
        first=date(2026, 11, 1),
        last=date(2026, 11, 2),
        sort="score",
        is_up=True,
        page=7,
    )
    assert view_of(view.address(page=7)) == view
    assert view_of(view.address(score=None)).page == 1
    assert LeadsView().address() == ""


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("score=many", "score should be a whole number up to 1,000,000; it is left out."),
        (
            "score=99999999999999999999",
            "score should be a whole number up to 1,000,000; it is left out.",
        ),
        ("from=yesterday", "from should be a day such as 2026-11-01; it is left out."),
        ("age=old", "age should be one of hour, day, week, month, older; it is left out."),
        ("sort=lead_id;DROP", "sort should be one of last, first, score, actions; it is left out."),
        ("status=sold", "status should be any of new, contacted, qualified, converted, lost"),
        ("page=-1", "page should be a whole number"),
        ("from=2026-11-03&to=2026-11-02", "from is after to"),
    ],
)
def test_what_cannot_be_used_is_said(address, problem):
    """A sentence names the thing; the rest of the view holds."""
    view, problems = read_view(parse_qsl(f"{address}&q=x"))
    assert [each.startswith(problem) for each in problems] == [True]
    assert (view.q, view.sort, view.status, view.page) == ("x", "last", (), 1)


@pytest.mark.parametrize(
    ("zone", "seekers"), [("UTC", "esi kofi ama"), ("Pacific/Auckland", "yaw esi kofi ama")]
)
def test_days_are_those_of_the_team(book, zone, seekers):
    """A day begins and ends where the team is, whatever day it is in UTC."""
    where, values = view_of("period=yesterday").where(NOW, zone)
    with book.reading() as ask:
        rows = ask(f"SELECT seeker_id FROM leads_now WHERE {where}", values).rows
    assert sorted(str(seeker) for (seeker,) in rows) == sorted(seekers.split())


def test_yesterday_moves_with_the_days():
    """A named period is told from the day somebody looks."""
    yesterday = view_of("period=yesterday")
    assert yesterday.days(NOW, "UTC") == (date(2026, 11, 20), date(2026, 11, 20))
    assert yesterday.days(NOW, "Pacific/Auckland") == (date(2026, 11, 21), date(2026, 11, 21))
    assert yesterday.days(NOW + timedelta(days=3), "UTC") == (
        date(2026, 11, 23),
        date(2026, 11, 23),
    )
