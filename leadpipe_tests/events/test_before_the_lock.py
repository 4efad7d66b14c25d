"""What takes long belongs before the door is locked: other machines write meanwhile."""

from datetime import UTC, datetime

from leadpipe.events import loading
from leadpipe_tests.events.builders import event, load


def test_slow_typing_holds_no_lock(sandbox, settings, machine, monkeypatch):
    """While a load types its rows, slow as it may be, another machine has the door."""
    sandbox.control.insert([event("property_view", "10:00:00", listing_id="l-1")])
    other = machine("two", lock_timeout_seconds=0.2)
    stage, wrote = vars(loading)["stage"], []

    def slow_stage(*arguments):
        with other.writing("door"):
            wrote.append("meanwhile")
        return stage(*arguments)

    monkeypatch.setattr(loading, "stage", slow_stage)
    report = load(settings, machine("one"), [datetime(2026, 11, 20, tzinfo=UTC).date()])
    assert (report.ingested.new, wrote) == (1, ["meanwhile"])
