"""`leadpipe.read("raw_events")`: the events themselves, by days, and a clear word when they cannot be had."""

from datetime import UTC, date, datetime

import pytest

import leadpipe
from leadpipe.errors import ConfigurationError, NotPublished, WarehouseLocked
from leadpipe_tests.events.builders import event, take_in
from leadpipe_tests.holding import another_process_in


@pytest.fixture
def stored(warehouse, tmp_path, monkeypatch):
    """A view on each of three days, and an event that no table uses."""
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(warehouse.path.parent))
    days = [f"2026-11-{day}T10:00:00+00:00" for day in (18, 19, 20)]
    take_in(
        warehouse,
        tmp_path,
        [event("property_view", datetime.fromisoformat(day), listing_id="L") for day in days]
        + [event("searched", datetime.fromisoformat(days[2]), query="a")],
    )


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        (None, None, [18, 19, 20, 20]),
        ("2026-11-19", None, [19, 20, 20]),
        (None, date(2026, 11, 18), [18]),
        (datetime(2026, 11, 19, 23, tzinfo=UTC), "2026-11-19", [19]),
        ("2026-12-01", None, []),
    ],
)
def test_the_events_of_some_days(stored, first, last, days):
    """Both ends are inclusive; without them all there is, those of no table, too."""
    frame = leadpipe.read("raw_events", first=first, last=last)
    assert [each.day for each in frame["event_date"]] == days
    assert {*frame.columns} >= {"uuid", "event", "properties", "meaning", "listing_id"}


@pytest.mark.parametrize(
    ("table", "said", "message"),
    [
        ("raw_events", {"first": "1 November"}, "first should be a day such as 2026-11-01"),
        ("raw_events", {"first": "2026-11-20", "last": "2026-11-01"}, "is after last 2026-11-01"),
        ("leads", {"first": "2026-11-01"}, "Days can be chosen of raw_events alone"),
    ],
)
def test_days_that_are_none(stored, table, said, message):
    """One line that says what would work."""
    with pytest.raises(ConfigurationError, match=message):
        leadpipe.read(table, **said)


def test_while_somebody_has_the_warehouse(stored, warehouse):
    """The error says who has it, and what can be read all the same; it does not take a minute."""
    with (
        another_process_in(warehouse) as pid,
        pytest.raises(WarehouseLocked, match=rf"which process {pid} has open: a sync\? Read again"),
    ):
        leadpipe.read("raw_events")
    assert len(leadpipe.read("raw_events")) == 4


def test_before_the_first_sync(monkeypatch, tmp_path):
    """Nothing is made; the error names the next step."""
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(tmp_path / "none"))
    with pytest.raises(NotPublished, match="Run `leadpipe sync` first"):
        leadpipe.read("raw_events")
    assert not (tmp_path / "none").exists()
