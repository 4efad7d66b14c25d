"""What is published of deliveries: files by month, of which only those that changed are written."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from leadpipe.delivery.outbox import take_back
from leadpipe.delivery.partner_events import apply_partner_event
from leadpipe.delivery.published import published
from leadpipe.delivery.retention import forget_old
from leadpipe.published.tables import publish_tables, tables_that_differ
from leadpipe.warehouse import CURRENT, Warehouse
from leadpipe.warehouse.publish import place_of
from leadpipe_tests.clocks import NOW
from leadpipe_tests.delivery.builders import deliver_to, hand_over, lead
from leadpipe_tests.delivery.test_partner_events import notice

pytestmark = pytest.mark.shared_lake

_TABLES = (
    "lead_deliveries",
    "delivery_attempts",
    "succeeded_leads",
    "failed_leads",
    "partner_events",
)


def parts(folder: Path) -> dict[str, int]:
    """The files of the current publication that have rows of deliveries, by table and month."""
    current = (folder / CURRENT).resolve()
    return {
        f"{table}/{file.name.partition('.')[0]}": file.stat().st_ino
        for table in _TABLES
        for is_personal in (False, True)
        for file in (place_of(current, is_personal=is_personal) / table).glob("[1-9]*.parquet")
    }


@pytest.fixture
def written(warehouse: Warehouse, tmp_path: Path) -> Callable[[], set[str]]:
    """Publish, and say which files by month are not the same as before; all equal the warehouse."""
    before: dict[str, int] = {}

    def publish() -> set[str]:
        with warehouse.connect() as connection:
            publish_tables(connection, tmp_path / "published", now=NOW)
            assert (
                tables_that_differ(connection, tmp_path / "published", now=NOW, is_whole=True) == []
            )
        now = parts(tmp_path / "published")
        changed = {name for name in {*now, *before} if now.get(name) != before.get(name)}
        before.clear()
        before.update(now)
        return changed

    return publish


def test_months_that_did_not_change_are_linked(partner, warehouse, written):
    """A lead of November writes November, a notice about one of October that month; no change, no file."""
    october = NOW - timedelta(days=40)
    assert written() == set()
    hand_over(warehouse, lead(1), now=october)
    deliver_to(partner, warehouse)  # it is sent today
    assert written() == {
        "lead_deliveries/2026-10",
        "delivery_attempts/2026-11",
        "succeeded_leads/2026-11",
    }
    hand_over(warehouse, lead(2), now=NOW)
    assert written() == {"lead_deliveries/2026-11"}
    assert written() == set()
    with warehouse.writing("delivery") as connection:
        assert apply_partner_event(connection, notice("sold", 1), now=NOW) == "applied"
    assert written() == {"lead_deliveries/2026-10", "partner_events/2026-11"}


def test_an_old_failure_that_is_tried_again_writes_its_month(partner, warehouse, written):
    """What changes of a failed lead is seen, though its number of rows stays."""
    hand_over(warehouse, lead(1), now=NOW)
    partner.configure(script=["reject"])
    deliver_to(partner, warehouse)
    assert written() == {
        "lead_deliveries/2026-11",
        "delivery_attempts/2026-11",
        "failed_leads/2026-11",
    }
    with warehouse.writing("delivery") as connection:
        connection.execute("UPDATE failed_leads SET resolved = true")
    assert written() == {"failed_leads/2026-11"}


def test_what_is_taken_back_or_forgotten_leaves_its_month(partner, warehouse, written, tmp_path):
    """A month that lost its last row has no file any more, and no publication has the lead's data."""
    hand_over(warehouse, lead(1), lead(2), now=NOW)
    deliver_to(partner, warehouse)
    written()
    with warehouse.writing("delivery") as connection:
        take_back(connection, [1], now=NOW)
    assert written() == {"lead_deliveries/2026-11", "succeeded_leads/2026-11"}
    with warehouse.writing("delivery") as connection:
        assert forget_old(connection, days=30, now=NOW + timedelta(days=31)) == 1
    assert written() == {"succeeded_leads/2026-11"}
    assert "succeeded_leads/2026-11" not in parts(tmp_path / "published")


def test_months_are_those_of_utc(warehouse):
    """A lead of the last microsecond of a month is of that month, one of the next of the next."""
    first = NOW.replace(day=1, hour=0)
    for number, moment in enumerate((first - timedelta(microseconds=1), first), start=1):
        hand_over(warehouse, lead(number), now=moment)
    with warehouse.connect() as connection:
        ids = {
            file.name: [
                row[0] for row in connection.execute(file.query, dict(file.parameters)).fetchall()
            ]
            for file in published(connection, now=NOW)
            if file.name.startswith("lead_deliveries/")
        }
    assert ids == {
        "lead_deliveries/0000-00": [],
        "lead_deliveries/2026-10": [1],
        "lead_deliveries/2026-11": [2],
    }
