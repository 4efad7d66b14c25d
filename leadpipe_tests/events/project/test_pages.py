"""What the page says of events that no table uses."""

from datetime import timedelta

from leadpipe.events.project.profile import Profile, SeenEvent
from leadpipe.events.project.unused import dismiss, remember
from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW
from leadpipe_tests.web.builders import panels, publish_some

_NAMES = ("listing_viewed", "<b>tapped</b>")


def publish(tmp_path, *, dismissed=()):
    """A publication after a look that saw two events with other names."""
    publish_some(tmp_path)
    seen = tuple(SeenEvent(name, 480, NOW - timedelta(days=2), NOW) for name in _NAMES)
    with Warehouse(tmp_path / "data" / "leadpipe.duckdb").connect() as connection:
        remember(connection, Profile(7, seen), now=NOW)
        dismiss(connection, dismissed, author="ama", now=NOW)
        publish_tables(connection, tmp_path / "data" / "published")


def test_the_page_tells_them_with_the_next_step(tmp_path, start):
    """In one sentence; a name is text, whatever is in it."""
    publish(tmp_path)
    said = "Your project sends {} (240 a day) and {} (240 a day), which no table uses"
    assert panels(start(), "notice")["events/unused.html"] == {"told": said.format(*_NAMES[::-1])}
    text = start().get("/admin/sync").text
    assert said.format("&lt;b&gt;tapped&lt;/b&gt;", "listing_viewed") in text
    assert "<code>leadpipe events suggest</code>" in text


def test_the_page_says_nothing_of_what_was_put_away(tmp_path, start):
    """Nor before anything was seen."""
    publish_some(tmp_path)
    assert "events/unused.html" not in panels(start(), "notice")
    publish(tmp_path, dismissed=_NAMES)
    assert "events/unused.html" not in panels(start(), "notice")
