"""The download lane against the sandbox: what the query lane brings, whatever happens on the way."""

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from leadpipe.connections import connect_posthog
from leadpipe.errors import ConfigurationError, ExportUnpaid
from leadpipe.events.connecting import sync_config
from leadpipe.events.exported import downloading
from leadpipe.events.exported.folding import merge_files, stage_file
from leadpipe.events.ledger import Run
from leadpipe.events.loading import load_days
from leadpipe.events.settings import EventsSettings
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, rows

_FIRST = date(2026, 10, 20)
_DAYS = [_FIRST + timedelta(days=n) for n in range((NOW.date() - _FIRST).days + 1)]
_STORED = (
    "SELECT uuid, event, timestamp, created_at, distinct_id, person_id, listing_id, lead_type, "
    "rejected_reason, json(properties)::VARCHAR FROM raw_events ORDER BY ALL"
)


@pytest.fixture
def traffic(sandbox):
    """Some events a day for five weeks: views, leads and page views of several persons."""
    events = []
    for number, day in enumerate(_DAYS[:-1]):
        for n in range(6):
            at = datetime(day.year, day.month, day.day, 3 * n, 7, tzinfo=UTC)
            events.append(
                event(
                    ("property_view", "lead_phone", "$pageview")[n % 3],
                    at,
                    distinct_id=f"person-{(number + n) % 5}",
                    listing_id=f"L{n}",
                    deep={"a": [1, 2.50, "ß\u2028"]},
                )
            )
    sandbox.control.insert(events)
    return events


def load(settings, warehouse, *, lane="download", run_id="run-1", days=_DAYS, **given):
    """Load days by a lane."""
    with connect_posthog(settings) as posthog:
        return load_days(
            posthog,
            warehouse,
            days,
            run=Run(run_id, "manual"),
            config=replace(sync_config(settings.of(EventsSettings)), lane=lane, first_day=_DAYS[0]),
            clock=lambda: datetime.now(UTC),
            **given,
        )


def queries(sandbox) -> list[str]:
    """The names of the queries that were asked."""
    return [one["name"] for one in sandbox.control.requests() if one["name"]]


def test_downloads_bring_what_queries_bring(sandbox, settings, warehouse, traffic, tmp_path):
    """A first load by files: the same rows, every day proved, and no event read by query."""
    report = load(settings, warehouse)
    assert report.incomplete_days == ()
    assert report.lane.lane == "download"
    assert report.brought.failed == ()
    assert report.ingested.new == len(traffic)
    assert not [name for name in queries(sandbox) if name.startswith("leadpipe: events")]
    by_query = replace(warehouse, path=tmp_path / "other" / "leadpipe.duckdb")
    load(settings, by_query, lane="query")
    assert rows(warehouse, _STORED) == rows(by_query, _STORED)
    assert not [one for one in sandbox.control.store_requests() if one["has_authorization"]]


def test_a_file_is_typed_while_another_is_merged(
    sandbox, settings, warehouse, traffic, monkeypatch
):
    """The first file is merged only once the second is typed: who did the one after the other would wait."""
    second_is_asked_for, second_is_typed = threading.Event(), threading.Event()
    ask, asked, typed = downloading._Bringing._asked, [], []

    def asking(bringing, wanted, span):
        export = ask(bringing, wanted, span)
        asked.append(export)
        if len(asked) == 2:
            second_is_asked_for.set()
        bringing.opening.release()  # which is held around this
        is_asked_for = second_is_asked_for.wait(60)
        bringing.opening.acquire()
        assert is_asked_for
        return export

    def staging(path, **options):
        staged = stage_file(path, **options)
        typed.append(path)
        if len(typed) == 2:
            second_is_typed.set()
        return staged

    def merging(warehouse, files, **options):
        assert second_is_typed.wait(60)
        return merge_files(warehouse, files, **options)

    monkeypatch.setattr(downloading._Bringing, "_asked", asking)
    monkeypatch.setattr(downloading, "stage_file", staging)
    monkeypatch.setattr(downloading, "merge_files", merging)
    report = load(settings, warehouse)
    assert len(typed) == report.brought.files > 2
    assert report.ingested.new == len(traffic)


def test_of_events_with_several_copies_only_the_copies_are_read(
    sandbox, settings, warehouse, traffic
):
    """An export has any one of an event's copies: the last one comes by query, and no whole day or hour."""
    again = [{**one, "created_at": one["timestamp"] + timedelta(hours=2)} for one in traffic[::6]]
    sandbox.control.insert(again)
    report = load(settings, warehouse)
    assert report.incomplete_days == report.reread_days == ()
    assert report.ingested.new == len(traffic)
    received = dict(rows(warehouse, "SELECT uuid::VARCHAR, created_at FROM raw_events"))
    assert {received[one["uuid"]] for one in again} == {one["created_at"] for one in again}
    assert not [name for name in queries(sandbox) if name.startswith("leadpipe: events")]


def test_a_second_load_exports_nothing(sandbox, settings, warehouse, traffic):
    """What is there is seen by its fingerprints: no export, no event read."""
    load(settings, warehouse)
    before = len(sandbox.control.export_runs())
    report = load(settings, warehouse, run_id="run-2")
    assert (report.lane, report.ingested.new) == (None, 0)
    assert len(sandbox.control.export_runs()) == before


@pytest.mark.parametrize(
    "status", ["FailedRetryable", "Terminated", "TimedOut", "Cancelled", "Failed"]
)
def test_an_export_that_fails_costs_no_event(sandbox, settings, warehouse, traffic, status):
    """Whatever becomes of exports: every day is proved in the end, and what was read by query is told."""
    sandbox.control.download_outcomes(status, status)
    report = load(settings, warehouse)
    assert report.incomplete_days == ()
    assert report.ingested.new == len(traffic)
    assert bool(report.brought.failed) == (status in {"Cancelled", "Failed"})


def test_exports_that_are_not_paid_for_are_the_end_of_the_lane(
    sandbox, settings, warehouse, traffic
):
    """Where PostHog takes no exports, queries bring everything; who insists on downloads is told."""
    sandbox.control.download_outcomes(*["FailedBilling"] * 9)
    with pytest.raises(ExportUnpaid, match="Billing"):
        load(settings, warehouse)
    sandbox.control.download_outcomes(*["FailedBilling"] * 9)
    report = load(settings, warehouse, lane="auto", run_id="run-2")
    assert report.incomplete_days == ()
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(len(traffic),)]


def test_one_export_at_once_is_enough(sandbox, settings, warehouse, traffic, monkeypatch):
    """PostHog's limit is found out by its refusals, and kept to."""
    monkeypatch.setattr(downloading, "_LOOK_SECONDS", 0.05)
    sandbox.control.downloads(at_once=1, seconds=0.3)
    report = load(settings, warehouse)
    assert (report.incomplete_days, report.brought.failed) == ((), ())
    assert report.brought.spans > 3


def test_what_nobody_wants_any_more_is_cancelled(
    sandbox, settings, warehouse, traffic, monkeypatch
):
    """An export that a killed run left behind is cancelled when its days have come otherwise."""
    sandbox.control.downloads(looks=10_000)

    class Killed(BaseException):
        """As if the process ended."""

    def kill(*args, **given):
        raise Killed

    monkeypatch.setattr(downloading, "watch", kill)
    with pytest.raises(Killed):
        load(settings, warehouse)
    monkeypatch.undo()
    load(settings, warehouse, lane="query", run_id="run-2")
    sandbox.control.insert([event("property_view", NOW - timedelta(hours=1), listing_id="new")])
    sandbox.control.downloads()
    load(settings, warehouse, run_id="run-3")
    states = dict(rows(warehouse, "SELECT state, count(*) FROM file_downloads GROUP BY 1"))
    assert states["cancelled"] >= 1
    assert "asked" not in states


@pytest.mark.parametrize("old_spans", ["bounded", "timestamp", "received"])
def test_what_exports_leave_out_is_read_by_query(sandbox, settings, warehouse, old_spans):
    """Events that were sent weeks late are in no export of an old span: the proof finds them missing."""
    sandbox.control.downloads(old_spans=old_spans)
    late = event(
        "property_view",
        datetime(2026, 10, 21, 12, tzinfo=UTC),
        listing_id="late",
        created_at=datetime(2026, 11, 10, 12, tzinfo=UTC),
    )
    usual = [
        event("property_view", datetime(2026, 10, 21 + n % 9, 9, n, tzinfo=UTC), listing_id=f"L{n}")
        for n in range(20)
    ]
    sandbox.control.insert([late, *usual])
    report = load(settings, warehouse)
    assert report.incomplete_days == ()
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(21,)]


def test_persons_are_those_of_today(sandbox, settings, warehouse, traffic):
    """An export names the person of ingestion; who was merged since, the proof finds out."""
    sandbox.control.merge_persons("person-0", "person-1")
    sandbox.control.clear_requests()
    report = load(settings, warehouse)
    assert report.incomplete_days == ()
    assert not [name for name in queries(sandbox) if name.startswith("leadpipe: events")]
    found = rows(
        warehouse,
        "SELECT count(DISTINCT person_id) FROM raw_events WHERE distinct_id IN ('person-0', 'person-1')",
    )
    assert found == [(1,)]


@pytest.mark.parametrize("has_copies", [True, False])
def test_of_several_copies_the_last_one_counts(sandbox, settings, warehouse, traffic, has_copies):
    """An export has one copy of an event, and nothing says which: only such events are read by query."""
    sandbox.control.downloads(has_copies=has_copies)
    corrected = {
        **traffic[0],
        "properties": {**traffic[0]["properties"], "listing_id": "corrected"},
        "created_at": traffic[0]["created_at"] + timedelta(minutes=5),
    }
    sandbox.control.insert([corrected])
    sandbox.control.clear_requests()
    report = load(settings, warehouse)
    assert report.incomplete_days == ()
    assert len([name for name in queries(sandbox) if name.startswith("leadpipe: events")]) <= 1
    found = rows(warehouse, "SELECT listing_id FROM raw_events WHERE uuid = ?", traffic[0]["uuid"])
    assert found == [("corrected",)]


def test_a_sync_of_much_that_is_late_is_few_spans(sandbox, settings, warehouse, traffic):
    """Late events come by when PostHog received them: days far apart are in one span."""
    load(settings, warehouse)
    before = len(sandbox.control.export_runs())
    received = NOW + timedelta(hours=3)
    sandbox.control.set_clock(NOW + timedelta(hours=4))
    sandbox.control.insert(
        [
            event(
                "property_view",
                datetime(day.year, day.month, day.day, 12, n, tzinfo=UTC),
                listing_id="late",
                created_at=received,
            )
            for day in (_DAYS[-2], _DAYS[-4])
            for n in range(3)
        ]
    )
    report = load(settings, warehouse, run_id="run-2")
    assert (report.ingested.new, report.incomplete_days) == (6, ())
    assert len(sandbox.control.export_runs()) == before + 1


def test_a_key_without_the_scopes_is_told(sandbox, settings, warehouse, traffic):
    """Who insists on downloads learns which scope the key lacks; nothing is half done."""
    sandbox.control.scopes("query:read")
    with pytest.raises(ConfigurationError, match="batch_export:read and batch_export:write"):
        load(settings, warehouse)
    assert sandbox.control.export_runs() == []
