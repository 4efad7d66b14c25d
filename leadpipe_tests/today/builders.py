"""A folder with something to say, and settings that name who is told."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from leadpipe.settings import Settings
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, take_in
from leadpipe_tests.leads.builders import publish, publish_leads
from leadpipe_tests.web.fixtures import web_settings

SEEKERS = ("ama", "kofi", "esi", "yaw", "adwoa", "kwame", "abena")
"""Who is in `something_new`: nobody of them may be named in a message."""


def something_new(folder: Path, **settings: Any) -> Settings:
    """Publish leads, views that rise and visitors; the settings of their folder."""
    warehouse = publish_leads(folder)
    yesterday = NOW - timedelta(days=1)
    events = [event("property_view", yesterday, listing_id="villa-accra-12") for _ in range(9)]
    events += [
        event("$pageview", NOW - timedelta(hours=hours), person_id=f"person-{hours}")
        for hours in (2, 3, 24 * 7 + 1)
    ]
    take_in(warehouse, warehouse.path.parent, events, now=NOW)
    with warehouse.connect() as connection:
        connection.execute("UPDATE event_days SET read_until = $now", {"now": NOW})
    publish(warehouse)
    return web_settings(folder, **settings)
