"""Links lead somewhere, and tests that a page names exist."""

import re

import pytest

from leadpipe_tests.docs.markdown import ROOT, anchors, links, name_of, pages

_TEST_LINK = re.compile(r"\[`(test_\w+)`\]\((leadpipe_tests/[\w/]+\.py)\)")


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_between_files_resolve(page):
    """A relative link names a file, and the part after # a heading in it."""
    broken = []
    for link in links(page):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_guarantee_names_a_test_that_exists():
    """The README's table of guarantees points at tests by name."""
    named = _TEST_LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(named) >= 9
    missing = [
        test for test, path in named if f"def {test}(" not in (ROOT / path).read_text("utf-8")
    ]
    assert missing == []


def test_every_page_of_the_docs_can_be_reached():
    """A page that no other page links to is not found by anybody."""
    linked = {
        (page.parent / link.partition("#")[0]).resolve() for page in pages() for link in links(page)
    }
    entries = {ROOT / "README.md", ROOT / "data" / "README.md", ROOT / "docs" / "benchmarks.md"}
    assert [name_of(page) for page in pages() if page not in linked | entries] == []
