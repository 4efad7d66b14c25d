"""What events become under a mapping: three teams, and the built-in names as before."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from leadpipe.events.mapping.model import path_text
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.mapping.typed import typed_wire_rows
from leadpipe_tests.events.builders import build_marts, event, rows, take_in
from leadpipe_tests.events.mapping.builders import use
from leadpipe_tests.events.mapping.worlds import CARS, CONTACTS, OWN_NAMES, cars, own_names

_BEFORE = (Path(__file__).parents[3] / "benchmarks" / "typed_events_0_2_0.sql").read_text()


def test_a_team_with_names_of_its_own_gets_its_listings_and_leads(warehouse, tmp_path):
    """Fallbacks, nested names, values, a filter and constants give each event its columns."""
    use(warehouse, OWN_NAMES)
    result = take_in(warehouse, tmp_path, own_names())
    assert result.rejected == {"listing_viewed without listing_id": 1}
    assert rows(
        warehouse,
        "SELECT meaning, listing_id, seeker_id, lister_id, lister_type, lead_type, viewed_from, "
        "context_type FROM raw_events ORDER BY timestamp",
    ) == [
        ("view", "L1", "a", None, None, None, "home", None),
        ("view", "7", "b", None, None, None, "search", None),
        ("view", "L1", "b", None, None, None, "other", None),
        ("view", None, "b", None, None, None, None, None),
        ("lead", "L1", "a", "A9", "agent", "whatsapp", None, "listing"),
        ("lead", "L1", "a", "A9", "agent", "phone", None, "listing"),
        (None, None, "a", None, None, None, None, None),
    ]
    build_marts(warehouse)
    assert rows(
        warehouse,
        "SELECT listing_id, total_views, views_from_home, total_leads FROM listings ORDER BY 1",
    ) == [("7", 1, 0, 0), ("L1", 2, 1, 2)]
    assert rows(warehouse, "SELECT listing_id, seeker_id, lister_id, total_actions FROM leads") == [
        ("L1", "a", "A9", 2)
    ]


def test_a_car_marketplace_gets_its_tables(warehouse, tmp_path):
    """Shared rules, several rules for one event, a price, passed properties; no built-in name counts."""
    use(warehouse, CARS)
    result = take_in(warehouse, tmp_path, cars())
    assert result.rejected == {}
    assert rows(
        warehouse,
        "SELECT meaning, seeker_id, lead_type, platform, save_action, price "
        "FROM raw_events ORDER BY timestamp",
    ) == [
        ("view", "B1", None, None, None, None),
        ("lead", "B1", "phone", None, None, None),
        ("lead", "B1", "appointment", None, None, None),
        ("share", "anonymous-1", None, "whatsapp", None, None),
        ("saved_listing", "anonymous-1", None, None, "add", None),
        ("saved_listing", "anonymous-1", None, None, "remove", None),
        (None, "anonymous-1", None, None, None, None),
        ("sale", "anonymous-1", None, None, None, Decimal(4_500_000)),
        (None, "anonymous-1", None, None, None, None),
    ]
    build_marts(warehouse)
    assert rows(
        warehouse,
        "SELECT listing_id, total_views, impression_share, impression_saved_listing, phone_leads, "
        "appointment_leads, total_sales, sales_value FROM listings",
    ) == [("V1", 1, 1, 1, 1, 1, 1, Decimal(4_500_000))]
    (actions,) = rows(warehouse, "SELECT lead_actions FROM leads")[0]
    assert [action.get("appointment_type") for action in json.loads(actions)] == [
        None,
        "test drive",
    ]


def test_recharges_and_captured_leads_have_their_properties_under_our_names(warehouse, tmp_path):
    """What draws and delivery read from properties comes under the names they read; the sent ones stay."""
    use(
        warehouse,
        '[events.topup]\nmeaning = "recharge"\nmsisdn = ["phone"]\namount = ["money.naira"]\n'
        '[events.chat_done]\nmeaning = "captured_lead"\nchannel = "sms"\nsession_id = ["chat"]\n',
    )
    topup = {"phone": "08031234567", "money": {"naira": 500}}
    take_in(
        warehouse,
        tmp_path,
        [event("topup", "10:00:00", **topup), event("chat_done", "11:00:00", chat=7, note="hi")],
    )
    found = rows(
        warehouse,
        "SELECT meaning, mapped_properties, properties FROM raw_events ORDER BY timestamp",
    )
    assert [(meaning, json.loads(mapped), json.loads(sent)) for meaning, mapped, sent in found] == [
        ("recharge", {**topup, "msisdn": "08031234567", "amount": 500}, topup),
        (
            "captured_lead",
            {"chat": 7, "note": "hi", "channel": "sms", "session_id": 7},
            {"chat": 7, "note": "hi"},
        ),
    ]


def test_what_fits_no_filter_has_the_rule_without_one(warehouse, tmp_path):
    """Rules of an event are tried in order; the last may take whatever is left."""
    use(
        warehouse,
        '[[events.tapped]]\nmeaning = "share"\nonly_where = {button = "share"}\n'
        '[[events.tapped]]\nmeaning = "view"\n',
    )
    sent = [
        event("tapped", f"{n:02}:00:00", listing_id="L1", button=button)
        for n, button in enumerate(("share", "open", None))
    ]
    take_in(warehouse, tmp_path, sent)
    found = rows(warehouse, "SELECT meaning FROM raw_events ORDER BY timestamp")
    assert found == [("share",), ("view",), ("view",)]


@pytest.mark.parametrize("printed", ["7", "7.0"])
def test_staff_contacts_have_their_properties_under_our_names(warehouse, tmp_path, printed):
    """Nested, mapped, constant and filtered; ids are texts, however PostHog prints their numbers."""
    use(warehouse, CONTACTS)
    call = {
        "org": {"slug": "HEW"},
        "course": {"id": 7},
        "person": {"ids": [7]},
        "at": "2026-11-20T14:00:00Z",
        "result": "no answer",
        "remarks": {"text": "  'later' "},
        "kind": 7,
    }
    sent = json.dumps(call).replace("7", printed)
    take_in(
        warehouse,
        tmp_path,
        [
            event("Call logged", "10:00:00", properties=sent),
            event("Call logged", "11:00:00", kind="else"),
            event("LeadUpdated", "12:00:00", kind="lead"),
        ],
    )
    (contact, *others) = rows(
        warehouse, "SELECT meaning, mapped_properties FROM raw_events ORDER BY timestamp"
    )
    assert others == [(None, None), (None, None)]
    assert contact[0] == "staff_contact"
    ours = {
        "tenant": "healingemeraldwellness",
        "programId": "7",
        "leadId": "7",
        "loggedAt": call["at"],
        "contactOutcome": "not_reached",
        "notReachedReason": "try_again_later",
        "notes": "  'later' ",
    }
    assert json.loads(contact[1]) == {**call, **ours}


@pytest.mark.parametrize("printed", ["7", "7.0"])
def test_what_is_passed_on_is_one_number_however_posthog_prints_it(warehouse, tmp_path, printed):
    """A session 7.0 and the session 7 are one; decimals that say something, and the text 7.0, stay."""
    use(
        warehouse,
        '[events.chat_done]\nmeaning = "captured_lead"\n'
        'session_id = ["chat"]\nphone = ["b"]\nemail = ["c"]\n',
    )
    sent = f'{{"chat":{printed},"b":7.5,"c":"7.0"}}'
    take_in(warehouse, tmp_path, [event("chat_done", "10:00:00", properties=sent)])
    assert rows(
        warehouse,
        "SELECT json_extract_string(mapped_properties, ['$.session_id', '$.phone', '$.email']) "
        "FROM raw_events",
    ) == [(["7", "7.5", "7.0"],)]


@pytest.mark.parametrize(
    "name",
    ["John's event", 'a "b"', "'; DROP TABLE raw_events; --", "a/b~c", "*", "ü 😀", "back\\slash"],
)
def test_names_with_quotes_are_names(warehouse, tmp_path, name):
    """Whatever an event, a property or a value is called: it is found, and breaks nothing."""
    key, path = (json.dumps(text, ensure_ascii=False) for text in (name, path_text((name,))))
    text = f'[events.{key}]\nmeaning = "view"\nlisting_id = [{path}]\nonly_where = {{x = {key}}}\n'
    use(warehouse, text)
    take_in(warehouse, tmp_path, [event(name, "10:00:00", properties={name: "L1", "x": name})])
    assert rows(warehouse, "SELECT event, meaning, listing_id FROM raw_events") == [
        (name, "view", "L1")
    ]


_PATHS = (
    *(
        "listing_id",
        "listingId",
        "listing_uuid",
        "property_id",
        "seeker_id",
        "seekerId",
        "lister_id",
    ),
    *(
        "listerId",
        "developer_id",
        "agent_id",
        "profile_id",
        "lister_type",
        "context_type",
        "lead_type",
    ),
    *("message_type", "is_logged_in", "viewed_from", "platform", "action", "price"),
)
_VALUES: tuple[Any, ...] = (
    *(
        "L1",
        " L2 ",
        "",
        "  ",
        None,
        5,
        5.5,
        True,
        False,
        "true",
        "no",
        "x" * 200,
        "x" * 201,
        " " * 201,
    ),
    *(
        {"a": 1},
        ["x"],
        ["x" * 300],
        "{3F25}",
        "[x]",
        "{",
        "Phone",
        "message",
        "WhatsApp",
        "whats app",
    ),
    *(
        "email",
        "direct message",
        "appointment",
        "carrier",
        "unknown",
        "Profile",
        "Developer",
        "\0",
        "a\0b",
    ),
    *(
        "₦450,000.50",
        "1.234.567,5",
        "450 000",
        "-5",
        "NGN 20",
        1e3,
        -3,
        7.0,
        "7.0",
        "Home",
        "add",
        "Remove ",
    ),
)
_NAMES = (*built_in().names, "another", "", None)
_ODD = ("[1,2]", '"t"', "{broken", "", " {}", "null", "5", None, '{"a":1,}', '\n{"listing_id":1}')
_BUT_SENT = "c -> c NOT IN ('properties', 'content', 'fields')"
_COLUMNS = (
    "uuid, event, timestamp, event_date, event_hour, created_at, distinct_id, person_id, listing_id, "
    "seeker_id, lister_id, lister_type, context_type, lead_type, is_logged_in, viewed_from, platform, "
    "save_action, price, properties, rejected_reason, unreadable_reason, content"
)


@examples(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(_NAMES),
            st.one_of(
                st.dictionaries(st.sampled_from(_PATHS), st.sampled_from(_VALUES), max_size=8).map(
                    json.dumps
                ),
                st.sampled_from(_ODD),
            ),
            st.sampled_from(["d", "", None]),
            st.sampled_from(["2026-11-20T10:00:00Z", "2026-11-20", "never", "1960-01-01"]),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_the_built_in_mapping_types_events_as_the_fixed_names_did(found):
    """Column by column, whatever is sent: the SELECT of 0.2.0 and the built-in mapping agree.

    But for one thing: the number 7.0 is 7 now, in any column; what was sent is kept as it was.
    """
    wire = [
        [f"00000000-0000-0000-0000-{n:012}", name, time, None, who, None, properties]
        for n, (name, properties, who, time) in enumerate(found)
    ]
    whole = [[*fields, _with_whole_numbers(properties)] for *fields, properties in wire]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        before = _typed(connection, _BEFORE, whole, _COLUMNS)
        assert _typed(connection, typed_wire_rows(built_in()), whole, _COLUMNS) == before
        as_sent, typed = (
            _typed(connection, typed_wire_rows(built_in()), rows, f"COLUMNS({_BUT_SENT})")
            for rows in (wire, whole)
        )
    assert as_sent == typed


def _with_whole_numbers(properties: str | None) -> str | None:
    return properties and re.sub(r": (-?\d+)\.0(?=[,}])", r": \1", properties)


def _typed(
    connection: duckdb.DuckDBPyConnection, query: str, wire: list[list[Any]], columns: str
) -> list[tuple[Any, ...]]:
    connection.execute(
        "CREATE OR REPLACE TABLE wire_rows AS SELECT unnest($rows::VARCHAR[][]) AS fields",
        {"rows": wire},
    )
    return connection.execute(f"SELECT {columns} FROM ({query}) ORDER BY uuid").fetchall()


@pytest.mark.parametrize(
    ("printed", "listing", "source"),
    [("7.0", "7", "home"), ("7", "7", "home"), ('"7.0"', "7.0", None)],
)
def test_a_number_means_the_same_however_posthog_prints_it(
    warehouse, tmp_path, printed, listing, source
):
    """7.0 is 7 as an id, in a filter and as a value to be read as another; the text 7.0 is another text."""
    use(
        warehouse,
        '[events.seen]\nmeaning = "view"\nlisting_id = ["a.ref"]\n'
        'viewed_from = {from = ["place"], values = {7 = "home"}}\n'
        '[events.tapped]\nmeaning = "share"\nlisting_id = ["ref"]\nonly_where = {place = "7"}\n',
    )
    take_in(
        warehouse,
        tmp_path,
        [
            event("seen", "10:00:00", properties=f'{{"a":{{"ref":{printed}}},"place":{printed}}}'),
            event("tapped", "11:00:00", properties=f'{{"ref":{printed},"place":{printed}}}'),
        ],
    )
    found = rows(
        warehouse, "SELECT listing_id, viewed_from, meaning FROM raw_events ORDER BY timestamp"
    )
    assert found == [
        (listing, source or "7.0", "view"),
        (listing, None, "share") if source else (None, None, None),
    ]


def test_a_wide_mapping_is_typed(warehouse, tmp_path):
    """Five hundred events with rules of their own are one statement like any other."""
    text = "".join(
        f'[events.seen_{n}]\nmeaning = "view"\nlisting_id = ["id_{n}"]\n' for n in range(500)
    )
    use(warehouse, text)
    sent = [
        event(f"seen_{n}", datetime(2026, 11, 20, 10, tzinfo=UTC), **{f"id_{n}": f"L{n}"})
        for n in range(0, 500, 50)
    ]
    take_in(warehouse, tmp_path, sent)
    assert rows(warehouse, "SELECT count(*), count(listing_id) FROM raw_events") == [(10, 10)]
