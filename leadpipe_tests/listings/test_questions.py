"""What a team asks of listings, answered on views and leads that are known."""

from datetime import UTC, datetime, timedelta

from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import build_marts, event, take_in
from leadpipe_tests.questions import answers


def test_answers_about_listings(warehouse, tmp_path):
    """A listing that moves, one that is only looked at, and one that was asked about unseen."""
    today = NOW.replace(hour=9)
    before = today - timedelta(days=8)

    def view(at, listing, **fields):
        return event("property_view", at, listing_id=listing, **fields)

    take_in(
        warehouse,
        tmp_path,
        [
            *(view(today, "a", viewed_from="search", person_id=f"p{n}") for n in range(4)),
            *(view(before, "a", viewed_from="home", person_id=f"p{n}") for n in range(2)),
            *(view(today, "b", viewed_from="mail", person_id=person) for person in "pqr"),
            event("lead_phone", today, listing_id="a", seeker_id="ama"),
            event("lead_phone", before, listing_id="c", seeker_id="kofi"),
            event("impression_share", today, listing_id="a", platform="whatsapp"),
            event("impression_share", today, listing_id="b", platform="whatsapp"),
            event("impression_share", today, listing_id="b", platform="email"),
        ],
    )
    build_marts(warehouse)
    at = datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert answers(warehouse, tmp_path, "listings") == {
        "moving_listings": [
            ("a", 1, 0, 4, 2, 100.0),
            ("b", 0, 0, 3, 0, None),
            ("c", 0, 1, 0, 0, None),
        ],
        "conversion_by_source": [("search", 1, 6, 1, 16.67), ("other", 1, 3, 0, 0.0)],
        "views_without_leads": [("b", 3, 3, 2, at, at)],
        "shares_by_platform": [("whatsapp", 2, 2), ("email", 1, 1)],
        "busy_hours": [(9, 9, 2, 22.22)],
    }
