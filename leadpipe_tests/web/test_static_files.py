"""Styles and scripts: browsers keep what they have, and get what is new at once."""

import re

from leadpipe.web.static_files import versioned

_FILES = re.compile(r'(?:href|src)="(/static/[^"]+)"')


def test_a_page_names_its_files_by_what_is_in_them(start):
    """Every style and script of a page has a version, is there, and is kept for good."""
    client = start()
    for path in ("/today", "/leads", "/listings", "/visitors", "/admin/sync", "/nothing-here"):
        text = client.get(path, headers={"accept": "text/html"}).text
        found = _FILES.findall(text)
        assert {"page.css", "charts.js"} <= {
            each.rpartition("/")[2].partition("?")[0] for each in found
        }
        for address in found:
            assert re.search(r"\?v=[0-9a-f]{12}$", address)
            answer = client.get(address)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_other_content_is_another_address():
    """A file that changed is asked for again."""
    assert versioned("page.css", b"a") != versioned("page.css", b"b")


def test_without_a_version_a_browser_asks_each_time(start):
    """Who wrote the address down gets what is there now, or is told that it has it."""
    client = start()
    for address in ("/static/page.css", "/static/leads/leads.js"):
        answer = client.get(address)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
