"""Where events are read: the warehouse only when it is fresh, else PostHog; and which events."""

import json
from datetime import date, timedelta

import pytest

from leadpipe.connections import connect_posthog, open_warehouse
from leadpipe.errors import ConfigurationError
from leadpipe.events.connecting import event_mapping, sync_config
from leadpipe.events.planning import plan_sync
from leadpipe.interactions.reading import Question, Reading, from_posthog, read_events
from leadpipe.interactions.syncing import contacts_of
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, load
from leadpipe_tests.events.mapping.builders import mapping_of
from leadpipe_tests.events.mapping.worlds import CONTACTS
from leadpipe_tests.holding import another_process_in
from leadpipe_tests.interactions.builders import (
    AT,
    PROGRAM,
    TENANT,
    lead_updated,
    logged,
)

_FIRST_DAY = date(2026, 11, 18)
_UUID = "0193502c-0000-7000-8000-00000000000{}"


def question(**changes) -> Question:
    """The tenant's events of three days."""
    values = {
        "tenant": TENANT,
        "program_id": PROGRAM,
        "window_start": NOW - timedelta(days=3),
        "now": NOW,
        **changes,
    }
    return Question(**values)


def read(settings, source="auto", **changes) -> Reading:
    """Read as a sync does, with an hour's patience for the warehouse's age."""
    return read_events(
        question(**changes),
        source=source,
        warehouse=open_warehouse(settings),
        fresh_for=timedelta(hours=1),
        connect=lambda: connect_posthog(settings),
    )


def sync(settings, *, until=NOW):
    """Plan and load the days of the window, as `leadpipe sync` does at a time."""
    warehouse = open_warehouse(settings)
    with connect_posthog(settings) as posthog:
        plan = plan_sync(
            posthog, warehouse, config=sync_config(settings), first_day=_FIRST_DAY, now=until
        )
    load(settings, warehouse, plan.days, now=until)


@pytest.fixture
def stored(settings, sandbox):
    """Two events of the tenant and program, one said twice, and others that are not."""
    sandbox.control.insert(
        [
            lead_updated(0, uuid=_UUID.format(1)),
            lead_updated(0, uuid=_UUID.format(1)),
            lead_updated(60, uuid=_UUID.format(2)),
            lead_updated(0, tenant="other"),
            lead_updated(0, programId="other' OR 1=1 --"),
            lead_updated(-4 * 86_400),
        ]
    )
    return settings


def test_posthog_is_asked_for_one_tenant_and_program(stored):
    """Each event once; other tenants, other programs and older events stay where they are."""
    reading = read(stored)
    assert (reading.source, sorted(reading.events)) == (
        "posthog",
        [_UUID.format(n) for n in (1, 2)],
    )
    assert reading.note == "asked PostHog, not the warehouse: there is none yet"
    assert not stored.warehouse_path.exists()
    injected = read(stored, program_id="other' OR 1=1 --")
    assert len(injected.events) == 1


def test_pages_lose_nothing(stored, sandbox):
    """Rows that share their time are read across pages."""
    sandbox.control.insert([lead_updated(5, f"lead-{number}") for number in range(7)])
    with connect_posthog(stored) as posthog:
        pages = {rows: from_posthog(posthog, question(), rows) for rows in (1, 3, 10_000)}
    assert pages[1] == pages[3] == pages[10_000]
    assert len(pages[1]) == 9


def test_a_fresh_warehouse_serves_without_posthog(stored):
    """After a sync the same events come from the warehouse, and it says up to when."""
    from_there = read(stored, "posthog").events
    sync(stored)
    keyless = stored.model_copy(update={"posthog_api_key": None})
    reading = read(keyless)
    assert reading == Reading("warehouse", from_there, NOW - timedelta(minutes=2))


def test_a_stale_warehouse_does_not(stored):
    """Two hours later PostHog is asked, and the note says why; asked for by name, it serves and says so."""
    sync(stored, until=NOW - timedelta(hours=2))
    reading = read(stored)
    assert reading.source == "posthog"
    assert (
        reading.note == "asked PostHog, not the warehouse: its events end at 2026-11-21 09:58 UTC"
    )
    forced = read(stored, "warehouse")
    assert forced.source == "warehouse"
    assert forced.note == "the warehouse is not fresh: its events end at 2026-11-21 09:58 UTC"


def test_a_window_that_was_not_loaded_is_not_there(stored):
    """Days before the first one loaded can only come from PostHog."""
    sync(stored)
    reading = read(stored, window_start=NOW - timedelta(days=5))
    assert reading.note == (
        "asked PostHog, not the warehouse: 2 days of the window are not loaded or not complete"
    )
    assert len(reading.events) == 3


def test_events_that_wait_are_not_there(stored, sandbox):
    """A plan found late events on a day that nothing has read since."""
    sync(stored, until=NOW - timedelta(minutes=30))
    sandbox.control.insert([{**lead_updated(-86_400), "created_at": NOW - timedelta(minutes=20)}])
    with connect_posthog(stored) as posthog:
        plan_sync(
            posthog,
            open_warehouse(stored),
            config=sync_config(stored),
            first_day=_FIRST_DAY,
            now=NOW,
        )
    assert "1 days of the window are not loaded or not complete" in (read(stored).note or "")


def test_the_warehouse_of_another_project_is_not_asked(stored):
    """--project-id names another project: its events are not in this warehouse."""
    sync(stored)
    with pytest.raises(ConfigurationError, match="it holds project 1, not 2"):
        read(stored, "warehouse", project_id="2")


def test_a_warehouse_that_is_not_there_cannot_be_asked(stored):
    """The message gives the next step, and no warehouse is made."""
    with pytest.raises(
        ConfigurationError, match=r"cannot serve: there is none yet\. Run `leadpipe sync`"
    ):
        read(stored, "warehouse")
    assert not stored.warehouse_path.exists()


def test_a_locked_warehouse_gives_way_to_posthog(stored):
    """While another process has the file, PostHog serves."""
    sync(stored)
    blocked = stored.model_copy(update={"lock_timeout_seconds": 0.1})
    with another_process_in(stored):
        reading = read(blocked)
    assert reading.note == "asked PostHog, not the warehouse: it is in use"
    assert len(reading.events) == 2


def called(seconds=0.0, uuid=None, **fields):
    """A contact as a team with names of its own sends it."""
    properties = {
        "org": {"slug": "hew"},
        "course": {"id": PROGRAM},
        "person": {"ids": [7]},
        "at": logged(seconds),
        "result": "No answer",
        "remarks": {"text": " later "},
        "kind": "Lead",
        **fields,
    }
    return event("Call logged", AT + timedelta(seconds=seconds), uuid=uuid, properties=properties)


def test_a_teams_own_contacts_are_read_under_our_names(settings, sandbox):
    """From the warehouse and from PostHog the same: mapped, filtered, one tenant's and program's."""
    mapping_of(settings.data_dir, CONTACTS)
    half = called(90, _UUID.format(2))
    half["properties"] = json.dumps(half["properties"]).replace(" later ", "HALF \\ud83d")
    sandbox.control.insert(
        [
            *(called(0, _UUID.format(1)), half, called(60, org={"slug": "other"})),
            *(called(60, kind="personal"), called(60, course={"id": "x"}), lead_updated(0)),
        ]
    )
    mapping = event_mapping(settings)
    found = {"posthog": read(settings, "posthog", mapping=mapping).events}
    sync(settings)
    found["warehouse"] = read(settings, "warehouse", mapping=mapping).events
    with open_warehouse(settings).connect() as connection:  # as an older version kept it
        connection.execute(
            "UPDATE raw_events SET properties = replace(properties, chr(65533), '\\ud83d'), "
            "meaning = NULL, mapped_properties = NULL WHERE contains(properties, chr(65533))"
        )
    found["0.2.0"] = read(settings, "warehouse", mapping=mapping).events
    for source, events in found.items():
        contacts, rejected = contacts_of(events)
        assert rejected == [], source
        assert [
            (one.uuid, one.lead_id, one.program_id, one.interaction.content) for one in contacts
        ] == [
            (
                _UUID.format(number),
                "7",
                PROGRAM,
                (
                    ("contactOutcome", "not_reached"),
                    ("notReachedReason", "try_again_later"),
                    ("notes", notes),
                ),
            )
            for number, notes in ((1, "later"), (2, "HALF \ufffd"))
        ], source


def test_a_warehouse_typed_otherwise_does_not_serve(stored):
    """Contacts that were mapped anew come from PostHog until a sync has typed them; others are no matter."""
    sync(stored)
    mapping_of(stored.data_dir, '[events.seen]\nmeaning = "view"\n')
    assert read(stored, mapping=event_mapping(stored)).source == "warehouse"
    mapping_of(stored.data_dir, CONTACTS)
    reading = read(stored, mapping=event_mapping(stored))
    assert reading.source == "posthog"
    assert reading.note == (
        "asked PostHog, not the warehouse: its staff contacts are typed by another mapping, until the next "
        "sync"
    )
    sync(stored)
    assert read(stored, mapping=event_mapping(stored)).source == "warehouse"


def test_half_an_emoji_in_a_note_loses_no_contact(stored, sandbox):
    """From the warehouse, also as 0.2.0 stored it, as from PostHog: with U+FFFD in its note."""
    made = [
        lead_updated(30, "lead-3", notes="call again HALF", uuid=_UUID.format(7)),
        lead_updated(30, "lead-3", notes="HALF", tenant="another", uuid=_UUID.format(8)),
        lead_updated(30, "lead-3", notes="HALF", programId="another", uuid=_UUID.format(9)),
    ]
    for each in made:
        each["properties"] = json.dumps(each["properties"]).replace("HALF", "\\ud83d")
    made += [{**lead_updated(40), "properties": '{"tenant": "\\ud83d'}]
    sandbox.control.insert(made)
    sync(stored)
    for source, made_by in (("warehouse", ""), ("posthog", ""), ("warehouse", "0.2.0")):
        if made_by:
            with open_warehouse(stored).connect() as connection:
                connection.execute(
                    "UPDATE raw_events SET properties = replace(properties, chr(65533), '\\ud83d')"
                )
        contacts, rejected = contacts_of(read(stored, source).events)
        assert rejected == []
        assert [each.interaction.get("notes") for each in contacts if each.lead_id == "lead-3"] == [
            "call again \ufffd"
        ]
