"""Times on pages: how long ago, or a clock's, each with the whole moment behind it."""

import re
from datetime import UTC, datetime

import pytest

from leadpipe.web import rendering


@pytest.mark.parametrize(
    ("said", "text", "whole"),
    [
        ("at | since", "2 h ago", "2026-11-21 11:00:00 Africa/Lagos"),
        ("at | clock", "11:00", "2026-11-21 11:00:00 Africa/Lagos"),
        ("at | clock('UTC')", "10:00", "2026-11-21 10:00:00 UTC"),
    ],
)
def test_a_time_is_of_the_teams_zone_or_of_the_pages_days(said, text, whole):
    """Where a page's days are UTC, so is the clock of what it knows."""
    page = rendering._ENVIRONMENT.from_string(f"{{{{ {said} }}}}").render(
        at=datetime(2026, 11, 21, 10, tzinfo=UTC),
        now=datetime(2026, 11, 21, 12, 30, tzinfo=UTC),
        zone="Africa/Lagos",
    )
    assert re.findall(r'title="([^"]+)">([^<]+)<', page) == [(whole, text)]
