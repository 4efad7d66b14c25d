"""The one door: each uuid counts once, whatever the order, overlap or repetition of deliveries."""

import json
from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadpipe.events.ingest import IngestResult
from leadpipe.warehouse import Warehouse
from leadpipe_tests.events.builders import build_marts, event, rows, table, take_in, wire_row
from leadpipe_tests.orders import orders

_UUIDS = [f"00000000-0000-4000-8000-{n:012d}" for n in range(8)]
_DAY = datetime(2026, 11, 19, tzinfo=UTC)


def test_a_repeated_event_changes_nothing(warehouse, tmp_path):
    """The same row again, in the same batch or another run, is a duplicate."""
    row = event("property_view", "10:00:00", listing_id="L")
    first = take_in(warehouse, tmp_path, [row, row])
    second = take_in(warehouse, tmp_path, [row], run_id="run-2")
    assert (first, second) == (
        IngestResult(
            fetched=2, new=1, duplicate=1, rejected={}, changed_days=(date(2026, 11, 20),)
        ),
        IngestResult(fetched=1, new=0, duplicate=1, rejected={}, changed_days=()),
    )
    assert rows(warehouse, "SELECT count(*), min(run_id) FROM raw_events") == [(1, "run-1")]


def test_the_copy_received_last_is_the_event(warehouse, tmp_path):
    """A correction is the same uuid sent again: it is the event, whichever comes first here."""
    late = event("property_view", "10:00:05", uuid=_UUIDS[0], listing_id="late")
    early = event("property_view", "10:00:00", uuid=_UUIDS[0], listing_id="early")
    take_in(warehouse, tmp_path, [early])
    result = take_in(warehouse, tmp_path, [late], run_id="run-2")
    again = take_in(warehouse, tmp_path, [early], run_id="run-3")
    assert (result.new, result.duplicate, result.changed_days) == (0, 1, (date(2026, 11, 20),))
    assert (again.new, again.duplicate, again.changed_days) == (0, 1, ())
    assert rows(warehouse, "SELECT listing_id, run_id FROM raw_events") == [("late", "run-1")]
    assert rows(warehouse, "SELECT run_id, version FROM runs ORDER BY run_id") == [
        ("run-1", 2),
        ("run-2", 0),
        ("run-3", 0),
    ]


@pytest.mark.parametrize(
    "reprinted",
    [
        '{"viewed_from": "home", "n": 10, "listing_id": "L", "empty": ""}',
        '{"viewed_from":"home","n":10.0,"listing_id":"L"}',
        '{"listing_id":"L","n":10}',
        '{"a":{"b":[1,{"c":1,"d":"é"}]},"listing_id":"L","n":10,"viewed_from":"home"}',
        '{"listing_id":"L","n":10,"viewed_from":"home","$active_feature_flags":["x"],"a":{"b":[1,{"c":1,"d":"é"}]}}',
    ],
    ids=["other order and numbers", "empty values left out", "old keys gone", "nested", "flags"],
)
def test_what_posthog_prints_otherwise_rewrites_nothing(warehouse, tmp_path, reprinted):
    """The same copy read again, with its properties printed anew, is no change."""
    first = (
        '{"listing_id":"L","n":10.0,"empty":"","viewed_from":"home",'
        '"a":{"e":null,"b":[1.0,{"d":"\\u00e9","c":1}]},"$set":{"z":1}}'
    )
    copy = event("property_view", "10:00:00", uuid=_UUIDS[0], properties=first)
    take_in(warehouse, tmp_path, [copy])
    result = take_in(warehouse, tmp_path, [{**copy, "properties": reprinted}], run_id="run-2")
    assert (result.duplicate, result.changed_days) == (1, ())
    assert rows(warehouse, "SELECT properties FROM raw_events") == [(first,)]


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ('{"listing_id":"L"}', '{"listing_id":"L","n":0}'),
        ('{"listing_id":"L","n":{"a":2}}', '{"listing_id":"L","n":{"a":3}}'),
        ('{"listing_id":"L","n":"10"}', '{"listing_id":"L","n":10.5}'),
        ('{"listing_id":"L","n":{"a":1,"b":2}}', '{"listing_id":"L","n":{"a":2,"b":1}}'),
        ("no JSON", '{"n":1}'),
    ],
    ids=["one more", "another nested", "text and number", "values swapped", "unreadable"],
)
@pytest.mark.parametrize("is_one_batch", [True, False])
def test_of_copies_received_at_one_moment_the_one_that_says_more_is_the_event(
    warehouse, tmp_path, less, more, is_one_batch
):
    """Whichever comes first, and however deep in the properties the difference is."""
    copies = [
        event("recharge", "10:00:00", uuid=_UUIDS[0], properties=text) for text in (less, more)
    ]
    for number, order in enumerate((copies, copies[::-1])):
        one = Warehouse(tmp_path / f"{number}.duckdb")
        for batch in [order] if is_one_batch else [[copy] for copy in order]:
            take_in(one, tmp_path, batch)
        assert rows(one, "SELECT properties FROM raw_events") == [(more,)]


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_a_uuid_of_two_events_is_told(warehouse, tmp_path, is_one_batch):
    """PostHog keeps both; here the one received last is the event, and both are named."""
    ann = event("lead_phone", "10:00:00", uuid=_UUIDS[0], distinct_id="ann", listing_id="L")
    bob = event("lead_appointment", "15:00:00", uuid=_UUIDS[0], distinct_id="bob", listing_id="L")
    for batch in [[ann, bob]] if is_one_batch else [[bob], [ann], [bob]]:
        take_in(warehouse, tmp_path, batch)
    assert rows(warehouse, "SELECT event, distinct_id FROM raw_events") == [
        ("lead_appointment", "bob")
    ]
    assert rows(
        warehouse, "SELECT uuid::VARCHAR, event, distinct_id FROM shared_uuids ORDER BY event"
    ) == [(_UUIDS[0], "lead_appointment", "bob"), (_UUIDS[0], "lead_phone", "ann")]


def test_a_webhook_copy_gives_way_to_the_queried_one(warehouse, tmp_path):
    """A delivery without created_at counts until PostHog's own copy is read."""
    hook = event("property_view", "10:00:00", uuid=_UUIDS[0], listing_id="L", created_at=None)
    query = event("property_view", "10:00:00", uuid=_UUIDS[0], listing_id="L", person_id="p-1")
    take_in(warehouse, tmp_path, [hook])
    take_in(warehouse, tmp_path, [query], run_id="run-2")
    take_in(warehouse, tmp_path, [hook], run_id="run-3")
    assert rows(warehouse, "SELECT created_at, person_id, run_id FROM raw_events") == [
        (datetime(2026, 11, 20, 10, 0, 1, tzinfo=UTC), "p-1", "run-1")
    ]


def test_a_merged_person_is_refreshed(warehouse, tmp_path):
    """PostHog resolves persons when asked: the later answer holds, the event stays one."""
    take_in(
        warehouse,
        tmp_path,
        [event("property_view", "10:00:00", uuid=_UUIDS[0], listing_id="L", person_id="a")],
    )
    again = event("property_view", "10:00:00", uuid=_UUIDS[0], listing_id="L", person_id="b")
    result = take_in(warehouse, tmp_path, [again], run_id="run-2")
    assert (result.duplicate, result.changed_days) == (1, (date(2026, 11, 20),))
    assert rows(warehouse, "SELECT person_id, run_id FROM raw_events") == [("b", "run-1")]


def test_the_person_is_that_of_the_event_kept(warehouse, tmp_path):
    """Of two events with one uuid an earlier one, read again later, does not lend its person."""
    kept = event("property_view", "10:00:05", uuid=_UUIDS[0], distinct_id="ben", person_id="b")
    other = event("property_view", "10:00:00", uuid=_UUIDS[0], distinct_id="dan", person_id="d")
    take_in(warehouse, tmp_path, [kept])
    result = take_in(warehouse, tmp_path, [other], run_id="run-2")
    assert (result.duplicate, result.changed_days) == (1, ())
    assert rows(warehouse, "SELECT distinct_id, person_id FROM raw_events") == [("ben", "b")]


def test_copies_on_two_days_count_once_and_are_remembered(warehouse, tmp_path):
    """A uuid whose copies fall on both sides of midnight is one event; its other day is noted."""
    before = event(
        "property_view",
        datetime(2026, 11, 19, 23, 59, 59, tzinfo=UTC),
        uuid=_UUIDS[0],
        listing_id="L",
    )
    after = event(
        "property_view", datetime(2026, 11, 20, 0, 0, 1, tzinfo=UTC), uuid=_UUIDS[0], listing_id="L"
    )
    take_in(warehouse, tmp_path, [before])
    result = take_in(warehouse, tmp_path, [before, after], run_id="run-2")
    assert result.changed_days == (date(2026, 11, 19), date(2026, 11, 20))
    assert rows(warehouse, "SELECT event_date FROM raw_events") == [(date(2026, 11, 20),)]
    assert rows(warehouse, "SELECT uuid::VARCHAR, event_date FROM event_copies") == [
        (_UUIDS[0], date(2026, 11, 19))
    ]


def test_the_ledger_adds_up_over_batches(warehouse, tmp_path):
    """A run's counts are the sums of its batches: fetched, new, duplicate, rejected by reason."""
    good = event("property_view", "10:00:00", listing_id="L")
    bad = [event("property_view", "10:00:00"), event("lead_phone", "10:00:00")]
    take_in(warehouse, tmp_path, [good, bad[0]])
    take_in(warehouse, tmp_path, [good, bad[1], wire_row(good)[:2] + [None] * 5])
    assert rows(
        warehouse,
        "SELECT events_fetched, events_new, events_duplicate, events_rejected, rejected_reasons FROM runs",
    ) == [
        (
            5,
            3,
            1,
            3,
            json.dumps(
                {
                    "lead with neither listing nor profile": 1,
                    "no readable timestamp": 1,
                    "property_view without listing_id": 1,
                }
            ),
        )
    ]


copies = st.builds(
    lambda n, minutes, received, listing, kind: event(
        kind,
        _DAY + timedelta(minutes=minutes),
        uuid=_UUIDS[n],
        created_at=_DAY + timedelta(days=2, seconds=received),
        listing_id=listing,
        seeker_id=f"seeker-{n % 3}",
        person_id=f"person-{n % 2}",
    ),
    st.integers(0, 7),
    st.integers(0, 3 * 24 * 60 - 1),
    st.integers(0, 3),
    st.sampled_from(["a", "b", None]),
    st.sampled_from(["property_view", "lead_phone", "lead_message", "listing_sold"]),
)


def outcome(warehouse: Warehouse) -> dict[str, list[tuple[object, ...]]]:
    """Everything that must not depend on how events were delivered."""
    build_marts(warehouse)
    with warehouse.connect() as connection:
        return {
            "events": table(connection, "SELECT * EXCLUDE (run_id) FROM raw_events"),
            "copies": table(connection, "SELECT * FROM event_copies"),
            "hours": table(connection, "SELECT * FROM listing_analytics"),
            "listings": table(connection, "SELECT * FROM listings"),
            "leads": table(
                connection,
                "SELECT lead_id, sum(total_actions), sum(lead_score), min(first_action_at), "
                "max(last_action_at) FROM leads GROUP BY lead_id",
            ),
        }


@settings(max_examples=orders(7))
@given(
    deliveries=st.lists(copies, min_size=1, max_size=12),
    data=st.data(),
)
def test_any_order_and_repetition_gives_the_same_tables(tmp_path_factory, deliveries, data):
    """Batches of any size, in any order, with any repetition: equal events, hours, totals and leads."""
    folder = tmp_path_factory.mktemp("door")
    at_once = Warehouse(folder / "a.duckdb")
    take_in(at_once, folder, deliveries)
    shuffled = data.draw(
        st.permutations(deliveries + data.draw(st.lists(st.sampled_from(deliveries))))
    )
    piecemeal = Warehouse(folder / "b.duckdb")
    while shuffled:
        size = data.draw(st.integers(1, len(shuffled)))
        batch, shuffled = shuffled[:size], shuffled[size:]
        take_in(piecemeal, folder, batch, run_id=f"run-{data.draw(st.integers(1, 3))}")
        if data.draw(st.booleans()):
            build_marts(piecemeal)
    assert outcome(piecemeal) == outcome(at_once)
    _assert_each_lead_event_is_in_one_record(piecemeal)
    not_noted = "SELECT run_id, event_date FROM raw_events EXCEPT FROM run_days"
    assert rows(piecemeal, not_noted) == []


def _assert_each_lead_event_is_in_one_record(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        in_records = connection.execute(
            "SELECT action ->> 'action_id' FROM (SELECT unnest(CAST(lead_actions AS JSON[])) AS action "
            "FROM leads) ORDER BY 1"
        ).fetchall()
        events = connection.execute(
            "SELECT uuid::VARCHAR FROM raw_events WHERE lead_type IS NOT NULL AND rejected_reason IS NULL "
            "ORDER BY 1"
        ).fetchall()
    assert in_records == events


def test_a_failed_batch_leaves_nothing_behind(warehouse, tmp_path, monkeypatch):
    """If anything fails on the way, the whole batch is rolled back, ledger and all."""
    take_in(warehouse, tmp_path, [event("property_view", "10:00:00", listing_id="L")])
    monkeypatch.setattr("leadpipe.events.ingest._record", _fail)
    with pytest.raises(duckdb.Error, match="the disk is full"):
        take_in(
            warehouse,
            tmp_path,
            [event("property_view", "11:00:00", listing_id="L")],
            run_id="run-2",
        )
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(1,)]
    assert rows(warehouse, "SELECT run_id FROM runs") == [("run-1",)]


def _fail(*_: object) -> None:
    raise duckdb.Error("the disk is full")
