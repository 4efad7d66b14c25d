"""The live count by names and filters: what waits counts as it will when it is stored."""

import asyncio
import json
from datetime import date

from leadpipe.inbox.payloads import Reader
from leadpipe.inbox.store import Inbox
from leadpipe.visitors.feed import LiveFeed
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.mapping.builders import mapping_of
from leadpipe_tests.visitors.test_live import body, pageview

_SCREENS = """
[[events."Screen Viewed"]]
meaning = "pageview"
only_where = {screen = "listing"}

[[events."Screen Viewed"]]
meaning = "view"
listing_id = ["ref"]
"""


def test_the_live_count_follows_the_filter(tmp_path):
    """Of an event with a filter only what fits is a page view; of one without every one is."""
    mapping = mapping_of(tmp_path, _SCREENS)
    reader = Reader(wanted=frozenset(mapping.names), mapping=mapping, first_day=date(2026, 1, 1))
    inbox = Inbox(tmp_path / "inbox.sqlite")
    sent = [pageview(number, f"p{number}", f"d{number}") for number in range(4)]
    for one, screen in zip(sent, ("listing", "Listing ", "map"), strict=False):
        one |= {"event": "Screen Viewed", "properties": {"screen": screen, "ref": "L1"}}
    inbox.add([reader.read(body(one), now=NOW) for one in sent], now=NOW)
    feed = LiveFeed(tmp_path / "published", inbox, clock=lambda: NOW, mapping=mapping)
    asyncio.run(feed.start())
    state = feed.now()
    feed.close()
    assert (state["visitors"], state["waiting"]) == (3, 4)
    assert json.dumps(state["weeks"]) == '{"2026-W47": 3}'
