"""Builders for tests of the page: a data folder with something published, and pageviews for the webhook."""

import json
import uuid
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from leadpipe.domains import DOMAINS
from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse
from leadpipe.web.overview import read_panels
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import build_marts, event, take_in


def publish_some(folder: Path, *, run_id: str = "run-1", error: str | None = None) -> None:
    """Publish two listings with three leads, two visitors of this week, and what the domains' tests add.

    That is what `store_some` of their builders stores for the run, or for one that failed with an error.
    """
    warehouse = Warehouse(folder / "data" / "leadpipe.duckdb")
    seen = {"listing_id": "listing-1", "seeker_id": "ama"}
    events = [
        event("$pageview", NOW - timedelta(hours=2), person_id=str(uuid.UUID(int=1))),
        event("$pageview", NOW - timedelta(hours=1), person_id=str(uuid.UUID(int=2))),
        *(
            event("property_view", NOW - timedelta(days=day), listing_id="listing-1")
            for day in range(4)
        ),
        event("property_view", NOW - timedelta(days=1), listing_id="listing-2"),
        event("lead_phone", NOW - timedelta(days=3), **seen),
        event("lead_message", NOW - timedelta(days=2), message_type="whatsapp", **seen),
        event("lead_phone", NOW - timedelta(days=1), listing_id="listing-2", seeker_id="kofi"),
    ]
    folder.joinpath("data").mkdir(exist_ok=True)
    take_in(warehouse, folder / "data", events)
    build_marts(warehouse)
    with warehouse.connect() as connection:
        for domain in DOMAINS:
            builders = f"leadpipe_tests.{domain}.builders"
            if find_spec(builders) and (
                store := getattr(import_module(builders), "store_some", None)
            ):
                store(connection, run_id=run_id, error=error)
        publish_tables(connection, folder / "data" / "published")


def pageview(person: int) -> bytes:
    """A pageview as PostHog's webhook sends it."""
    content: dict[str, Any] = {
        "event": {
            "uuid": str(uuid.uuid4()),
            "event": "$pageview",
            "distinct_id": f"device-{person}",
            "timestamp": NOW.isoformat(),
            "properties": {},
        },
        "person": {"id": str(uuid.UUID(int=person))},
    }
    return json.dumps(content).encode()


def panels(client, place="section"):
    """The panels of a place, as the page shows them."""
    return {
        shown.template: shown.content for shown in read_panels(client.app.state.web, [place])[place]
    }
