"""The project moves to PostHog's native-JSON events table in the midst: nothing here changes by it."""

import itertools
from datetime import timedelta

import pytest

from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import build_marts, event, load, rows, table

_UUID = "00000000-0000-4000-8000-{:012d}"
_DAY = TODAY - timedelta(days=1)
_OLD = TODAY - timedelta(days=90)  # which the native table has begun to forget
_DAYS = [_OLD, _DAY]
# Texts of properties as SDKs send them, each of which the native table prints in another way.
_SENT = {
    "other order": '{"seeker_id":"s","platform":"web","listing_id":"L"}',
    "numbers": '{"listing_id":"L","seeker_id":7.0,"n":1e3,"share":0.50,"lister_id":12.0}',
    "empty values": '{"listing_id":"L","seeker_id":"s","a":"","b":null,"c":[],"d":{},"lister_id":""}',
    "nested": '{"listing_id":"L","seeker_id":"s","z":{"b":{"y":1.0,"x":"\\u00e9"},"a":[1.0,{"d":1,"c":2}]}}',
    "nested and empty": '{"listing_id":"L","seeker_id":"s","z":{"b":{},"a":null,"c":[null,{"e":null}]}}',
    "escapes": '{"listing_id":"L","seeker_id":"s","url":"http:\\/\\/x","name":"\\u00e9","a.b":{"c.d":1}}',
    "persons": '{"listing_id":"L","seeker_id":"s","$set":{"b":1,"a":2},"$sent_at":"x","$sdk_debug_a":1}',
    "flags": '{"listing_id":"L","seeker_id":"s","$feature/x":"test","$feature/y":false}',
    "old flags": '{"listing_id":"L","seeker_id":"s","$feature/x":true,"$active_feature_flags":["y"]}',
    "flags alone": '{"listing_id":"L","seeker_id":"s","$active_feature_flags":["y"]}',
    "a key twice": '{"listing_id":"L","seeker_id":"s","seeker_id":"t"}',
    "large numbers": '{"listing_id":"L","seeker_id":12345678901234567890,"n":0.1,"m":123456789012345678}',
    "half an emoji": '{"listing_id":"L","seeker_id":"s","text":"\\ud83d"}',
    "no JSON": '{"listing_id":"L","seeker_id":"s",, ',
    "no object": '["L"]',
    "empty": "{}",
    "words": '{"listing_id":"true","seeker_id":"null","n":"10.0","m":"1e3","is_logged_in":true}',
    "dates": '{"listing_id":"L","seeker_id":"s","at":"2026-11-20T10:00:00.50Z","day":"2026-11-20"}',
}
_NAMES = ("lead_phone", "property_view", "listing_sold", "impression_saved_listing")


def sent(at, first=0, texts=_SENT):
    """An event of each name with each of the texts, on the day of `at`."""
    return [
        event(
            name,
            at + timedelta(minutes=number),
            uuid=_UUID.format(first + number),
            distinct_id=f"person-{number % 3}",
            properties=text,
        )
        for number, (name, text) in enumerate(itertools.product(_NAMES, texts.values()))
    ]


def sent_on(days, texts=_SENT):
    """These events on each of the days."""
    return [
        row
        for number, day in enumerate(days)
        for row in sent(NOW - timedelta(days=(TODAY - day).days, hours=6), 500 * number, texts)
    ]


def everything(warehouse):
    """All tables but those that tell of runs and builds, and the versions of days.

    The marts are forgotten and built anew for it, which raises the versions of their months.
    """
    build_marts(warehouse)
    with warehouse.connect() as connection:
        names = [
            name
            for (name,) in connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE NOT temporary ORDER BY 1"
            ).fetchall()
            if not name.endswith(("_builds", "_month_versions"))
            and name not in {"runs", "run_parts", "sources", "event_days", "key_filters"}
        ]
        found = {name: table(connection, f"SELECT * FROM {name}") for name in names}
        found["versions of days"] = table(connection, "SELECT event_date, version FROM event_days")
    return found


def test_a_whole_read_of_the_native_table_changes_nothing(sandbox, settings, warehouse):
    """Every property is printed in another way: no row is rewritten, no version raised, no mart changed."""
    sandbox.control.insert(sent_on(_DAYS))
    load(settings, warehouse, _DAYS)
    before = everything(warehouse)
    sandbox.control.native_json()
    report = load(settings, warehouse, _DAYS, run_id="native", is_full=True)
    assert (report.ingested.fetched, report.ingested.new) == (2 * len(_NAMES) * len(_SENT), 0)
    assert (report.ingested.changed_days, report.removed, report.incomplete_days) == ((), {}, ())
    assert everything(warehouse) == before


def test_a_whole_read_after_the_way_back_changes_nothing(sandbox, settings, warehouse):
    """What was first read from the native table is not rewritten by the texts as they were sent.

    But for half an emoji in web traffic, of which PostHog sends all properties while it cannot read them.
    """
    sandbox.control.insert(
        sent_on(_DAYS, {name: text for name, text in _SENT.items() if name != "half an emoji"})
    )
    sandbox.control.native_json()
    load(settings, warehouse, _DAYS)
    before = everything(warehouse)
    sandbox.control.native_json(False)
    load(settings, warehouse, _DAYS, run_id="back", is_full=True)
    assert everything(warehouse) == before


def marts(warehouse):
    """What is made of the events: the texts of properties left out, and why some are rejected."""
    found = everything(warehouse)
    found["raw_events"] = rows(
        warehouse,
        "SELECT * EXCLUDE (properties, rejected_reason, run_id), rejected_reason IS NULL FROM raw_events "
        "ORDER BY uuid",
    )
    return found


@pytest.mark.parametrize("is_moved", [False, True])
def test_events_after_the_move_count_as_those_before(sandbox, settings, tmp_path, is_moved):
    """A day before the move and one after it make the marts of two that were read before it."""
    never, moved = (Warehouse(tmp_path / f"{name}.duckdb") for name in ("never", "moved"))
    sandbox.control.insert(sent_on(_DAYS))
    for warehouse in (never, moved):
        load(settings, warehouse, [_OLD])
    load(settings, never, [_DAY], run_id="second")
    sandbox.control.native_json(is_moved)
    load(settings, moved, [_DAY], run_id="second")
    assert marts(moved) == marts(never)
    printed = "SELECT properties FROM raw_events ORDER BY uuid"
    assert (rows(warehouse, printed) != rows(never, printed)) is is_moved
