"""The panel of listings: those with most leads."""

from leadpipe_tests.web.builders import panels, publish_some


def test_the_panel_shows_the_listings_with_most_leads(tmp_path, start):
    """The largest first, with the published numbers."""
    publish_some(tmp_path)
    panel = panels(start())["listings/panel.html"]
    assert [
        (row["listing_id"], row["total_leads"], row["total_views"]) for row in panel["rows"]
    ] == [("listing-1", 2, 4), ("listing-2", 1, 1)]
