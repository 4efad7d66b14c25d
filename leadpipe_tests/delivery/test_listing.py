"""A partner's list counts only when it is known to be whole."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from leadpipe.delivery.list_pages import Answer
from leadpipe.delivery.listing import Paging, checked_query_names, read_list
from leadpipe.errors import ConfigurationError, PartnerUnavailable

LEADS = [{"id": f"npa-{number}", "phone": f"+1201555{number:04d}"} for number in range(1, 24)]


class Paged:
    """A partner whose list has pages of 7; `tell` says what it tells beside each."""

    def __init__(self, tell, leads=None) -> None:
        self.tell = tell
        self.leads = LEADS if leads is None else leads
        self.asked: list[dict[str, str]] = []

    def __call__(self, query) -> Answer:
        asked = (
            {name: values[0] for name, values in parse_qs(urlsplit(query).query).items()}
            if isinstance(query, str)
            else dict(query)
        )
        self.asked.append(asked)
        told, headers = self.tell(asked, self.leads)
        return Answer(200, headers, json.dumps(told).encode())


def _start(asked: dict[str, str], *names: str) -> int:
    return int(next((asked[name] for name in names if name in asked), 0))


def by_cursor(name, parameter):
    def tell(asked, leads):
        start = _start(asked, parameter)
        end = start + 7
        return {"leads": leads[start:end], name: str(end) if end < len(leads) else None}, {}

    return tell


def by_page(**extra):
    def tell(asked, leads):
        page = max(_start(asked, "page"), 1)
        told: dict[str, Any] = {"leads": leads[7 * page - 7 : 7 * page]}
        for name, value in extra.items():
            told[name] = value(page, leads) if callable(value) else value
        return told, {}

    return tell


def by_offset(asked, leads):
    start = _start(asked, "offset")
    return {"data": leads[start : start + 7], "offset": start, "limit": 7}, {}


def by_link_header(asked, leads):
    start = _start(asked, "start_at")
    link = f'</leads?start_at={start + 7}>; rel="next", </leads?start_at=0>; rel="first"'
    return leads[start : start + 7], {"Link": link} if start + 7 < len(leads) else {}


def by_next_url(asked, leads):
    start = _start(asked, "start_at")
    is_more = start + 7 < len(leads)
    links = {"next": {"href": f"https://a.example/leads?start_at={start + 7}"} if is_more else None}
    return {"_embedded": {"leads": leads[start : start + 7]}, "_links": links}, {}


def by_total_header(asked, leads):
    page = max(_start(asked, "page"), 1)
    told = {"leads": leads[7 * page - 7 : 7 * page], "page": page}
    return told, {"X-Total-Count": str(len(leads))}


@pytest.mark.parametrize(
    "tell",
    [
        by_cursor("next_cursor", "cursor"),
        by_cursor("nextPageToken", "pageToken"),
        by_cursor("next_page_token", "page_token"),
        by_cursor("continuationToken", "continuationToken"),
        by_page(page=lambda page, _: page, total_pages=4),
        by_page(page=lambda page, _: page, per_page=7),
        by_page(meta=lambda page, leads: {"current_page": page, "total": len(leads)}),
        by_page(next_page=lambda page, _: page + 1 if page < 4 else None),
        by_page(page=lambda page, _: page, has_more=lambda page, _: page < 4),
        by_offset,
        by_link_header,
        by_next_url,
        by_total_header,
    ],
)
def test_a_list_in_pages_is_read_whole(tell):
    """Whatever way the answers tell of it."""
    assert read_list(Paged(tell), {"since": "2026-11-01"}, Paging()) == LEADS


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ({"has_more": True}, "says that there is more"),
        ({"total": 24}, "says that there is more"),
        ({"meta": {"total_pages": 4}}, "says that there is more"),
        ({"paging_state": "abc"}, "has 'paging_state'"),
        ({"meta": {"pageKey": "x"}}, "has 'pageKey'"),
        ({"page": {"more_results": {"at": "x"}, "nextish": "y"}}, "has 'more_results'"),
        ({"limit": 23}, "exactly 23 leads"),
        ({"has_more": False, "total": 22}, "23 leads came"),
        ({"total": 40}, "says that there is more"),
        ({"error": "timed out"}, "an error inside"),
        ({"success": False}, "an error inside"),
    ],
)
def test_what_may_be_a_part_is_an_error(told, word):
    """Never the end: what is not on the page would be sent again."""
    partner = Paged(lambda *_: ({"leads": LEADS, **told}, {}))
    with pytest.raises(PartnerUnavailable, match=word):
        read_list(partner, {}, Paging())


def test_a_round_number_of_leads_without_a_word_is_no_end():
    """A hundred leads and nothing else may be the first page."""
    hundred = [{"id": str(number)} for number in range(100)]
    with pytest.raises(PartnerUnavailable, match="exactly 100 leads"):
        read_list(Paged(lambda *_: ({"leads": hundred}, {})), {}, Paging())
    assert len(read_list(Paged(lambda *_: (hundred, {})), {}, Paging("whole"))) == 100
    assert len(read_list(Paged(lambda *_: (hundred[:99], {})), {}, Paging())) == 99


@pytest.mark.parametrize("style", ["page", "offset"])
def test_a_partner_that_ignores_the_page_is_found_out(style):
    """Its pages repeat."""
    with pytest.raises(PartnerUnavailable, match="pages repeat"):
        read_list(Paged(lambda *_: ({"leads": LEADS}, {})), {}, Paging(style))


def test_a_style_and_names_that_a_person_gave_are_used():
    """Pages without a word are read until one is empty, by the partner's own parameters."""
    names = checked_query_names("page=p, page_size=n, since=created_after")

    def tell(asked, leads):
        page, size = int(asked["p"]), int(asked["n"])
        return {"leads": leads[size * page - size : size * page]}, {}

    partner = Paged(tell)
    assert read_list(partner, {"since": "2026"}, Paging("page", 5, names)) == LEADS
    assert partner.asked[0] == {"created_after": "2026", "p": "1", "n": "5"}
    offset = Paged(lambda asked, leads: (leads[int(asked["offset"]) :][:9], {}))
    assert read_list(offset, {}, Paging("offset")) == LEADS
    with pytest.raises(ConfigurationError, match="NPA_LIST_QUERY: 'pge=p' cannot be used"):
        checked_query_names("pge=p")


def test_pages_that_shift_while_they_are_read_are_no_whole_list():
    """A lead less between two pages hides another one; the total tells."""
    leads = list(LEADS)

    def tell(asked, leads):
        page = max(_start(asked, "page"), 1)
        told = {"leads": leads[7 * page - 7 : 7 * page], "page": page, "total": len(LEADS)}
        del leads[0]
        return told, {}

    with pytest.raises(PartnerUnavailable, match=r"it says 23|says that there is more"):
        read_list(Paged(tell, leads), {}, Paging())


@pytest.mark.parametrize("entries", [["npa-1"], [None], [{"id": 1}, 5]])
def test_entries_that_are_no_objects_are_an_error(entries):
    """They may be leads that cannot be read."""
    with pytest.raises(PartnerUnavailable, match="entries that are no objects"):
        read_list(Paged(lambda *_: ({"leads": entries}, {})), {}, Paging())
