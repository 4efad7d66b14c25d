"""A mapping that changes: stored days are typed again, and only days that lack properties are read again."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from leadpipe.connections import connect_posthog
from leadpipe.events.connecting import sync_config
from leadpipe.events.ledger import Run
from leadpipe.events.loading import LoadReport, load_days
from leadpipe.events.mapping import retyping
from leadpipe.events.mapping.model import path_text
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.mapping.retyping import ChangeCost, cost_of, retype_stale
from leadpipe.events.mapping.versions import adopt
from leadpipe.events.planning import SyncPlan, plan_sync
from leadpipe.events.rebuilding import rebuild
from leadpipe.events.retention import Floor
from leadpipe.events.settings import EventsSettings
from leadpipe.settings import Settings
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import build_marts, event, rows, table, take_in
from leadpipe_tests.events.mapping.builders import mapping_of, use
from leadpipe_tests.events.mapping.worlds import CARS, OWN_NAMES, cars, own_names

TODAY = NOW.date()
DAYS = [date(2026, 11, 18), date(2026, 11, 19), date(2026, 11, 20)]
SEEN = '[events.seen]\nmeaning = "view"\nlisting_id = ["{}"]\n'
CALLED = '[events.called]\nmeaning = "lead"\nlead_type = "{}"\n'
_MARTS = {
    "events": "SELECT uuid, meaning, listing_id, seeker_id, lead_type, viewed_from, platform, save_action, "
    "price, rejected_reason FROM raw_events WHERE meaning IS NOT NULL",
    "hours": "SELECT * FROM listing_analytics",
    "totals": "SELECT * FROM listings",
    # Which run first brought an event decides which record it is in, not what is in the records.
    "leads": "SELECT lead_id, listing_id, seeker_id, unnest(CAST(lead_actions AS VARCHAR[])) FROM leads",
}


def marts(warehouse: Warehouse) -> dict[str, list[tuple[object, ...]]]:
    """Every table that must come out the same, rows in a fixed order."""
    with warehouse.connect() as connection:
        return {name: table(connection, query) for name, query in _MARTS.items()}


def with_events(settings: Settings, text: str, *, start: date = DAYS[0]) -> Settings:
    """Settings under which a mapping is in use, in a warehouse beside its file."""
    mapping_of(settings.data_dir, text)
    changed: Settings = settings.model_copy(update={"start_date": start, "page_rows": 50})
    return changed


def sync(
    settings: Settings, warehouse: Warehouse, *, run_id: str = "run-1", is_dry: bool = False
) -> tuple[SyncPlan, LoadReport | None]:
    """What `leadpipe sync` does: plan, and load what was planned."""
    config = sync_config(settings.of(EventsSettings))
    with connect_posthog(settings) as posthog:
        plan = plan_sync(
            posthog,
            warehouse,
            config=config,
            first_day=settings.first_day(NOW),
            now=NOW,
            is_dry=is_dry,
        )
        if is_dry:
            return plan, None
        return plan, load_days(
            posthog,
            warehouse,
            plan.days,
            run=Run(run_id, "manual"),
            config=config,
            clock=lambda: NOW,
        )


def on_each_day(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events, on each of the days."""
    return [
        {
            **one,
            "uuid": f"{n:08}-0000-0000-0000-{m:012}",
            "timestamp": one["timestamp"] - timedelta(days=n),
        }
        | {"created_at": one["created_at"] - timedelta(days=n)}
        for n in range(len(DAYS))
        for m, one in enumerate(found)
    ]


def seen(day: date, **properties: Any) -> dict[str, Any]:
    """A view under a team's own name."""
    return event("seen", datetime(day.year, day.month, day.day, 10, tzinfo=UTC), **properties)


def test_a_change_types_stored_days_again_and_reads_none(sandbox, settings, warehouse):
    """Leads are stored whole: another kind of lead costs no query for events."""
    sandbox.control.insert(
        on_each_day([event("called", "10:00:00", listing_id="L1", seeker_id="S1", x=1)])
    )
    sync(with_events(settings, CALLED.format("phone")), warehouse)
    changed = with_events(settings, CALLED.format("website"))
    plan, _ = sync(changed, warehouse, is_dry=True)
    assert plan.change == ChangeCost(("called",), tuple(DAYS), 3, ())
    assert rows(warehouse, "SELECT DISTINCT lead_type FROM raw_events") == [("phone",)]
    plan, report = sync(changed, warehouse, run_id="run-2")
    assert plan.reasons == {TODAY: "today"}
    assert report is not None
    assert (report.retyped.days, report.retyped.changed, report.ingested.new) == (3, 3, 0)
    assert rows(warehouse, "SELECT DISTINCT lead_type, run_id FROM raw_events") == [
        ("website", "run-1")
    ]
    assert sync(changed, warehouse, is_dry=True)[0].change == ChangeCost()


def test_only_days_that_lack_properties_are_read_again(sandbox, settings, warehouse):
    """A view came with what its table needed: another property for its listing is asked for, once."""
    sandbox.control.insert([seen(day, ref="L1", propertyRef="P1") for day in DAYS[:2]])
    sandbox.control.insert([event("called", "10:00:00", listing_id="L1", seeker_id="S")])
    sync(with_events(settings, SEEN.format("ref") + CALLED.format("phone")), warehouse)
    assert rows(
        warehouse, "SELECT DISTINCT listing_id, properties FROM raw_events WHERE event = 'seen'"
    ) == [("L1", '{"ref":"L1"}')]
    changed = with_events(settings, SEEN.format("propertyRef") + CALLED.format("phone"))
    plan, _ = sync(changed, warehouse, is_dry=True)
    assert plan.change.days_to_read == tuple(DAYS[:2])
    plan, _ = sync(changed, warehouse, run_id="run-2")
    assert plan.reasons == {
        DAYS[0]: "lacks properties",
        DAYS[1]: "lacks properties",
        TODAY: "today",
    }
    assert rows(
        warehouse, "SELECT DISTINCT listing_id, run_id FROM raw_events WHERE event = 'seen'"
    ) == [("P1", "run-1")]
    plan, report = sync(changed, warehouse, run_id="run-3")
    assert plan.reasons == {TODAY: "today"}
    assert report is not None
    assert report.ingested.new == 0


def test_days_that_retention_froze_stay_typed_as_they_are(sandbox, settings, warehouse):
    """They cannot be read again: what lacks properties keeps its columns, also in a rebuild."""
    old = TODAY - timedelta(days=40)
    views = [seen(day, ref="L1", propertyRef="P1", place="home") for day in (old, DAYS[1])]
    called = event("called", views[0]["timestamp"], listing_id="L1", seeker_id="S")
    sandbox.control.insert([*views, called])
    first = SEEN.format("ref") + CALLED.format("phone")
    sync(with_events(settings, first, start=old), warehouse)
    sandbox.control.set_retention(1)
    texts = [SEEN.format("propertyRef"), SEEN.format("propertyRef") + 'viewed_from = ["place"]\n']
    for number, text in enumerate(texts):
        changed = with_events(settings, text + CALLED.format("website"), start=old)
        if number:  # the first sync has met the floor; its plan knew of none
            plan, _ = sync(changed, warehouse, is_dry=True)
            assert (plan.change.days_to_read, plan.change.days_kept) == ((DAYS[1],), (old,))
            assert old not in plan.reasons
        sync(changed, warehouse, run_id=f"run-{number}")
        for _ in range(2):
            assert rows(
                warehouse,
                "SELECT event, event_date, listing_id, viewed_from, lead_type FROM raw_events ORDER BY ALL",
            ) == [
                ("called", old, "L1", None, "website"),
                ("seen", old, "L1", None, None),
                ("seen", DAYS[1], "P1", "home" if number else None, None),
            ]
            rebuild_events(changed, warehouse)
    sync(with_events(settings, first, start=old), warehouse, run_id="back")
    assert rows(
        warehouse, "SELECT DISTINCT listing_id, lead_type FROM raw_events ORDER BY ALL"
    ) == [
        ("L1", "phone"),
        ("L1", None),
    ]


def rebuild_events(settings: Settings, warehouse: Warehouse) -> None:
    """The first part of a rebuild."""
    with warehouse.writing("door") as connection:
        rebuild(connection, settings, is_rescored=False)


def test_days_before_the_first_one_stay_typed_as_they_are(sandbox, settings, warehouse):
    """A first day that was moved on: earlier days lack properties for good, and the dry run says so."""
    sandbox.control.insert([seen(day, ref="L1", propertyRef="P1") for day in DAYS])
    sync(with_events(settings, SEEN.format("ref")), warehouse)
    changed = with_events(settings, SEEN.format("propertyRef"), start=DAYS[1])
    plan, _ = sync(changed, warehouse, is_dry=True)
    assert (plan.change.days_to_read, plan.change.days_kept) == (tuple(DAYS[1:]), (DAYS[0],))
    plan, _ = sync(changed, warehouse, run_id="run-2")
    assert plan.days == (*DAYS[1:], TODAY)
    assert rows(warehouse, "SELECT event_date, listing_id FROM raw_events ORDER BY ALL") == [
        (DAYS[0], "L1"),
        *((day, "P1") for day in DAYS[1:]),
    ]
    plan, _ = sync(changed, warehouse, is_dry=True)
    assert (plan.change.days_to_read, plan.change.days_kept) == ((), (DAYS[0],))


def test_what_lacks_properties_stays_as_it_is_until_it_was_read(sandbox, settings, warehouse):
    """A sync that fails before it has read the days leaves no view without its listing."""
    sandbox.control.insert([seen(DAYS[0], ref="L1", propertyRef="P1"), seen(DAYS[0], ref="L2")])
    sync(with_events(settings, SEEN.format("ref")), warehouse)
    changed = with_events(settings, SEEN.format("propertyRef"))
    config = sync_config(changed.of(EventsSettings))
    with warehouse.writing("door") as connection:
        adopt(connection, config.mapping, now=NOW)
    assert retype_stale(warehouse, config.mapping).changed == 0
    typed = "SELECT listing_id, rejected_reason FROM raw_events ORDER BY ALL"
    assert rows(warehouse, typed) == [("L1", None), ("L2", None)]
    sync(changed, warehouse, run_id="run-2")
    assert rows(warehouse, typed) == [("P1", None), (None, "seen without listing_id")]


def test_names_with_quotes_come_through_a_query(sandbox, settings, warehouse):
    """A property is asked for by its name and comes under it, whatever signs that has."""
    name = 'the "ref" of John\'s \\ /house'
    sandbox.control.insert([event('it\'s "seen"', "10:00:00", properties={name: "L1", "x": 1})])
    text = (
        '[events."it\'s \\"seen\\""]\nmeaning = "view"\n'
        f"listing_id = [{json.dumps(path_text((name,)))}]\n"
    )
    sync(with_events(settings, text), warehouse)
    found = rows(warehouse, "SELECT meaning, listing_id, properties FROM raw_events")
    assert [(meaning, listing, json.loads(sent)) for meaning, listing, sent in found] == [
        ("view", "L1", {name: "L1"})
    ]


def test_a_name_more_is_read_by_itself(sandbox, settings, warehouse):
    """Days are unproved for a name they were not compared by: its events are read, and typed as they come."""
    sandbox.control.insert([seen(day, ref="L1") for day in DAYS])
    sync(with_events(settings, CALLED.format("phone")), warehouse)
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(0,)]
    sync(with_events(settings, SEEN.format("ref")), warehouse, run_id="run-2")
    assert rows(warehouse, "SELECT DISTINCT meaning, listing_id, run_id FROM raw_events") == [
        ("view", "L1", "run-2")
    ]


_MAPPINGS = {
    "built in": "",
    "own names": OWN_NAMES,
    "cars": CARS,
    "own names otherwise": OWN_NAMES.replace(
        '["propertyRef", "property.ref"]', '["property.ref"]'
    ).replace(
        'lead_type = {from = ["channel"]', 'seeker_id = ["agentId"]\nlead_type = {from = ["source"]'
    ),
    "a view is a lead": '[events.listing_viewed]\nmeaning = "lead"\nlead_type = "website"\n'
    'listing_id = ["propertyRef"]\n[events.property_view]\nmeaning = "nothing"\n',
}


_IN_TURN = {*zip(_MAPPINGS, [*_MAPPINGS][1:] + [*_MAPPINGS][:1], strict=True)}


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param(*pair, marks=() if pair in _IN_TURN else pytest.mark.long)
        for pair in permutations(_MAPPINGS, 2)
    ],
)
def test_the_tables_of_a_mapping_do_not_tell_which_came_before(
    sandbox, settings, tmp_path, first, then
):
    """Load under one mapping, sync under another, rebuild: row by row what the other alone gives."""
    sandbox.control.insert(on_each_day(own_names() + cars()))
    sandbox.control.limits(enforce=False)
    changed, alone = (
        Warehouse(tmp_path / name / "leadpipe.duckdb") for name in ("changed", "alone")
    )
    for number, name in enumerate((first, then)):
        own = settings.model_copy(update={"data_dir": changed.path.parent})
        sync(with_events(own, _MAPPINGS[name]), changed, run_id=f"run-{number}")
        if name == first:
            build_marts(changed)
    own = settings.model_copy(update={"data_dir": alone.path.parent})
    sync(with_events(own, _MAPPINGS[then]), alone, run_id="run-0")
    for warehouse in (changed, alone):
        build_marts(warehouse)
    assert marts(changed) == marts(alone)


def test_a_rebuild_types_all_again(warehouse, tmp_path):
    """Whatever typed the stored events, and whatever is noted of it: they come out as by today's mapping."""
    use(warehouse, CALLED.format("phone"))
    take_in(warehouse, tmp_path, [event("called", "10:00:00", listing_id="L", seeker_id="S")])
    with warehouse.connect() as connection:
        connection.execute("UPDATE raw_events SET lead_type = 'email', meaning = NULL")
    build_marts(warehouse)
    assert rows(warehouse, "SELECT meaning, lead_type FROM raw_events") == [("lead", "phone")]


def test_typing_again_goes_on_where_it_was_ended(warehouse, tmp_path, monkeypatch):
    """A batch of days is one transaction: a death in between leaves whole days, and the rest for then."""
    use(warehouse, CALLED.format("phone"))
    lead = event("called", "10:00:00", listing_id="L", seeker_id="S")
    take_in(warehouse, tmp_path, on_each_day([lead]))
    mapping = use(warehouse, CALLED.format("email"))
    monkeypatch.setattr(retyping, "_BATCH_EVENTS", 1)
    done = retyping._retype
    left = iter("ab")

    def dies(*args: Any) -> retyping.Retyped:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return done(*args)

    monkeypatch.setattr(retyping, "_retype", dies)
    with pytest.raises(KeyboardInterrupt):
        retype_stale(warehouse, mapping)
    monkeypatch.setattr(retyping, "_retype", done)
    assert sorted(rows(warehouse, "SELECT lead_type FROM raw_events")) == [
        ("email",),
        ("email",),
        ("phone",),
    ]
    report = retype_stale(warehouse, mapping)
    assert (report.days, report.changed) == (1, 1)
    assert rows(warehouse, "SELECT DISTINCT lead_type FROM raw_events") == [("email",)]


def test_a_mapping_written_otherwise_costs_nothing(warehouse, tmp_path):
    """Days that another mapping typed alike are noted, and no event is looked at."""
    use(warehouse, CALLED.format("phone"))
    take_in(warehouse, tmp_path, [event("called", "10:00:00", listing_id="L", seeker_id="S")])
    mapping = use(warehouse, CALLED.format("phone") + SEEN.format("a"))
    with warehouse.connect() as connection:
        assert cost_of(connection, mapping, floor=Floor(), first_day=DAYS[0]) == ChangeCost()
    report = retype_stale(warehouse, mapping)
    assert (report.days, report.events, report.changed) == (1, 0, 0)


def test_a_warehouse_without_a_mapping_has_the_built_in_one(warehouse, tmp_path):
    """What comes before any sync is typed by the built-in names, and noted so."""
    take_in(warehouse, tmp_path, [event("property_view", "10:00:00", listing_id="L")])
    version = built_in().version
    assert rows(warehouse, "SELECT version, is_current FROM event_mappings") == [(version, True)]
    assert rows(warehouse, "SELECT typed_by, read_by FROM event_days") == [(version, [version])]
