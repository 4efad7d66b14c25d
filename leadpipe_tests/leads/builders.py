"""Builders of leads for tests: some days of them, published, and edits."""

import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from leadpipe.leads.edits import Change, LeadEdits
from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import build_marts, event, take_in

_HOUR = timedelta(hours=1)
# Who did what on which listing, hours ago, from where.
_ACTIONS: tuple[tuple[str, str, str, float, dict[str, Any]], ...] = (
    ("ama", "villa-accra-12", "lead_appointment", 20, {"utm_source": "google"}),
    ("ama", "villa-accra-12", "lead_phone", 26, {"utm_source": "facebook"}),
    ("ama", "villa-accra-12", "lead_message", 90, {"message_type": "whatsapp"}),
    ("kofi", "villa-accra-12", "lead_phone", 19, {}),
    ("esi", "flat-kumasi-3", "lead_message", 18, {"message_type": "email"}),
    ("yaw", "flat-kumasi-3", "lead_phone", 2, {"utm_source": "google"}),
    ("adwoa", "house-tema-7", "lead_appointment", 1, {}),
    ("kwame", "house-tema-7", "lead_message", 300, {}),
    ("abena", "studio-osu-1", "lead", 1_000, {"lead_type": "website"}),
)


def publish_leads(folder: Path, *, more: int = 0) -> Warehouse:
    """Publish seven leads of the last six weeks, and more on one listing; the warehouse they are in.

    The best unanswered lead of yesterday is ama's, on villa-accra-12.
    """
    warehouse = warehouse_of(folder)
    warehouse.path.parent.mkdir(exist_ok=True)
    events = [
        event(
            name,
            NOW - hours * _HOUR,
            listing_id=listing,
            seeker_id=seeker,
            agent_id=f"agent-{len(listing)}",
            **fields,
        )
        for seeker, listing, name, hours, fields in _ACTIONS
    ]
    events += [
        event(
            "lead_phone", NOW - (400 + n) * _HOUR, listing_id="tower", seeker_id=f"seeker-{n:03d}"
        )
        for n in range(more)
    ]
    take_in(warehouse, warehouse.path.parent, events)
    publish(warehouse)
    return warehouse


def publish(warehouse: Warehouse) -> None:
    """Build everything again and publish it, as a sync does in the end."""
    build_marts(warehouse)
    with warehouse.connect() as connection:
        publish_tables(connection, warehouse.path.parent / "published")


def warehouse_of(folder: Path) -> Warehouse:
    """The warehouse of a test's folder."""
    return Warehouse(folder / "data" / "leadpipe.duckdb", lock_timeout_seconds=5.0)


def edits_of(folder: Path) -> LeadEdits:
    """What people say, in a test's folder."""
    return LeadEdits(folder / "data" / "lead_edits.sqlite")


def say(
    folder: Path, lead_id: str, status: str, *, author: str = "ada", now: datetime = NOW
) -> str:
    """Somebody gives a lead a status, whatever it was; the version."""
    change = Change(str(uuid.uuid4()), lead_id, "status", status)
    [outcome] = edits_of(folder).change([change], author=author, now=now)
    assert outcome.edit is not None
    return outcome.edit.edit_id
