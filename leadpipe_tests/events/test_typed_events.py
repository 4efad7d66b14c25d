"""What an event's properties become: a table of spellings, types and bad input."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from leadpipe_tests.events.builders import event, rows, take_in

_LEAD = {"listing_id": "L1", "seeker_id": "S1"}


def stored(warehouse, tmp_path, name, columns, **fields):
    """The columns of one event that went through the door."""
    take_in(warehouse, tmp_path, [event(name, "10:00:00", **fields)])
    found = rows(warehouse, f"SELECT {columns} FROM raw_events")
    return found[0] if len(columns.split(",")) > 1 else found[0][0]


@pytest.mark.parametrize("spelling", ["listing_id", "listingId", "listing_uuid", "property_id"])
def test_every_spelling_of_listing_id_is_read(warehouse, tmp_path, spelling):
    """A listing is known by any of its four names."""
    assert stored(warehouse, tmp_path, "property_view", "listing_id", **{spelling: "L1"}) == "L1"


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"lister_id": "a", "lister_type": "Developer"}, ("a", "developer")),
        ({"listerId": "b"}, ("b", None)),
        ({"developer_id": "c"}, ("c", "developer")),
        ({"agent_id": "d"}, ("d", "agent")),
        ({"lister_id": "e", "agent_id": "f"}, ("e", None)),
        ({"agent_id": "g", "lister_type": "developer"}, ("g", "developer")),
    ],
)
def test_lister_and_type_are_read_from_any_spelling(warehouse, tmp_path, properties, expected):
    """A developer_id or agent_id says the type as well, unless the event says it itself."""
    got = stored(warehouse, tmp_path, "lead_phone", "lister_id, lister_type", **_LEAD, **properties)
    assert got == expected


@pytest.mark.parametrize(
    ("name", "properties", "lead_type"),
    [
        ("lead_phone", {}, "phone"),
        ("lead_appointment", {}, "appointment"),
        ("lead_message", {}, "direct_message"),
        ("lead_message", {"message_type": "WhatsApp"}, "whatsapp"),
        ("lead_message", {"message_type": "email"}, "email"),
        ("lead_message", {"message_type": "direct_message"}, "direct_message"),
        ("lead_message", {"message_type": "pigeon"}, "direct_message"),
        ("lead", {"lead_type": "phone"}, "phone"),
        ("lead", {"lead_type": "Website"}, "website"),
        ("lead", {"lead_type": "appointment"}, "appointment"),
        ("lead", {"lead_type": "message", "message_type": "email"}, "email"),
        ("lead", {"lead_type": "message"}, "direct_message"),
    ],
)
def test_lead_types_come_from_name_or_property(warehouse, tmp_path, name, properties, lead_type):
    """Old names carry the type; the unified event says it in lead_type and message_type."""
    got = stored(warehouse, tmp_path, name, "lead_type, rejected_reason", **_LEAD, **properties)
    assert got == (lead_type, None)


def test_the_seeker_falls_back_to_the_distinct_id(warehouse, tmp_path):
    """Without seeker_id or seekerId the person's distinct id is the seeker."""
    got = stored(warehouse, tmp_path, "lead_phone", "seeker_id", listing_id="L1", distinct_id="d-7")
    assert got == "d-7"


def test_a_lead_on_a_profile_is_a_lead(warehouse, tmp_path):
    """Without a listing the lister (or profile) makes it a lead of context profile."""
    got = stored(
        warehouse,
        tmp_path,
        "lead_message",
        "listing_id, lister_id, context_type, rejected_reason",
        profile_id="p-9",
        seeker_id="S1",
    )
    assert got == (None, "p-9", "profile", None)


def test_a_lister_with_the_context_of_a_profile_is_enough(warehouse, tmp_path):
    """A lead that says it is on a profile is keyed by its lister."""
    fields = {"lister_id": "a", "context_type": "profile", "seeker_id": "S"}
    got = stored(
        warehouse, tmp_path, "lead_phone", "lister_id, context_type, rejected_reason", **fields
    )
    assert got == ("a", "profile", None)


@pytest.mark.parametrize(
    ("name", "properties", "reason"),
    [
        ("lead_phone", {"seeker_id": "S1"}, "lead with neither listing nor profile"),
        (
            "lead_phone",
            {"listing_id": {"a": 1}, "seeker_id": "S"},
            "lead with neither listing nor profile",
        ),
        (
            "lead_phone",
            {"listing_id": "  ", "seeker_id": "S"},
            "lead with neither listing nor profile",
        ),
        (
            "lead_phone",
            {"lister_id": "a", "seeker_id": "S"},
            "lead with neither listing nor profile",
        ),
        ("lead", _LEAD, "lead without lead_type"),
        ("lead", {**_LEAD, "lead_type": "carrier"}, "lead of an unknown lead_type"),
        ("property_view", {}, "property_view without listing_id"),
        ("listing_sold", {}, "listing_sold without listing_id"),
        ("property_view", {"listing_id": "x" * 201}, "listing_id longer than 200 characters"),
        ("property_view", "[1, 2]", "properties are no object"),
        ("property_view", '"text"', "properties are no object"),
        ("property_view", "{broken", "properties are not valid JSON"),
        ("lead_phone", {"listing_id": ["x" * 300]}, "lead with neither listing nor profile"),
        ("lead_phone", {"property_id": "x" * 201}, "listing_id longer than 200 characters"),
        (
            "listing_sold",
            {"listing_id": " ", "property_id": "x" * 201},
            "listing_id longer than 200 characters",
        ),
        ("lead_phone", "", "properties are not valid JSON"),
    ],
)
def test_what_a_table_cannot_use_is_kept_with_its_reason(
    warehouse, tmp_path, name, properties, reason
):
    """An unusable event is stored, counted and explained; it stops nothing."""
    result = take_in(warehouse, tmp_path, [event(name, "10:00:00", properties=properties)])
    assert (result.new, result.rejected) == (1, {reason: 1})
    kept = properties if isinstance(properties, str) else json.dumps(properties)
    assert rows(warehouse, "SELECT rejected_reason, properties FROM raw_events") == [(reason, kept)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (["not-a-uuid", "lead", "2026-11-20T10:00:00Z", None, "d", None, "{}"], "no uuid"),
        ([None, "lead", "2026-11-20T10:00:00Z", None, "d", None, "{}"], "no uuid"),
        (
            ["11111111-1111-1111-1111-111111111111", "", "2026-11-20", None, "d", None, "{}"],
            "no event name",
        ),
        (
            ["11111111-1111-1111-1111-111111111111", "lead", "yesterday", None, "d", None, "{}"],
            "no readable timestamp",
        ),
        (
            [
                "11111111-1111-1111-1111-111111111111",
                "lead",
                "2999-01-01T00:00:00Z",
                None,
                "d",
                None,
                "{}",
            ],
            "timestamp outside 1970 to 2199",
        ),
        (
            [
                "11111111-1111-1111-1111-111111111111",
                "lead",
                "0001-01-01T00:00:00Z",
                None,
                "d",
                None,
                "{}",
            ],
            "timestamp outside 1970 to 2199",
        ),
    ],
)
def test_what_is_no_event_goes_to_rejected_events(warehouse, tmp_path, row, reason):
    """Without uuid, name or time a row cannot be an event; it is kept whole, once."""
    good = event("property_view", "10:00:00", listing_id="L1")
    for run_id in ("run-1", "run-2"):
        result = take_in(warehouse, tmp_path, [good, row], run_id=run_id)
        assert result.rejected == {reason: 1}
    assert rows(warehouse, "SELECT run_id, reason, content FROM rejected_events") == [
        ("run-1", reason, json.dumps(row, separators=(",", ":")))
    ]
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(1,)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (42, "42"),
        (4.5, "4.5"),
        (7.0, "7"),
        (-7.00, "-7"),
        ("7.0", "7.0"),
        ("ünï🏠", "ünï🏠"),
        ("a\u0000b", "ab"),
        (" x ", "x"),
        (True, "true"),
        ("{3F2504E0-4F89-11D3-9A0C-0305E82C3301}", "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}"),
        ("[new] 17", "[new] 17"),
        ("[" + "x" * 199, "[" + "x" * 199),
        ("[1]", "[1]"),
        ({"id": 1}, None),
        ([1], None),
        ("[" + "x" * 200, None),
    ],
)
def test_identifiers_are_texts_whatever_was_sent(warehouse, tmp_path, given, expected):
    """Numbers, emoji and NUL bytes in an identifier break no later query."""
    assert stored(warehouse, tmp_path, "property_view", "listing_id", listing_id=given) == expected


@pytest.mark.parametrize(
    ("spellings", "column"),
    [
        (("listing_id", "listingId", "listing_uuid", "property_id"), "listing_id"),
        (("seeker_id", "seekerId"), "seeker_id"),
        (("lister_id", "listerId", "developer_id", "agent_id", "profile_id"), "lister_id"),
    ],
)
@pytest.mark.parametrize("bad", ["x" * 201, " ", "\0", {"a": 1}, ["x"], "", None, "{" * 201])
def test_the_first_usable_spelling_counts(warehouse, tmp_path, spellings, column, bad):
    """A spelling that cannot be used does not hide one that can; in braces or not."""
    *others, last = spellings
    fields = {**_LEAD, **dict.fromkeys(others, bad), last: "{good}"}
    got = stored(warehouse, tmp_path, "lead_phone", f"{column}, rejected_reason", properties=fields)
    assert got == ("{good}", None)


def test_a_long_id_is_told_only_where_an_id_is_needed(warehouse, tmp_path):
    """A recharge does not need a listing, and a long seeker falls back to the distinct id."""
    long = {"listing_id": "x" * 201, "seeker_id": "s" * 201}
    take_in(
        warehouse,
        tmp_path,
        [
            event("recharge", "10:00:00", **long),
            event("lead_phone", "11:00:00", **{**long, "listing_id": "L"}, distinct_id="ann"),
        ],
    )
    assert rows(
        warehouse,
        "SELECT listing_id, seeker_id, rejected_reason FROM raw_events ORDER BY timestamp",
    ) == [(None, "anonymous-1", None), ("L", "ann", None)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (True, True),
        ("true", True),
        ("False", False),
        (1, True),
        (0, False),
        ("maybe", None),
        (None, None),
    ],
)
def test_is_logged_in_is_read_leniently(warehouse, tmp_path, given, expected):
    """Booleans come as booleans, texts and numbers; anything else is unknown."""
    got = stored(
        warehouse, tmp_path, "property_view", "is_logged_in", listing_id="L", is_logged_in=given
    )
    assert got is expected


def test_days_and_hours_are_utc_whatever_offset_was_sent(warehouse, tmp_path):
    """An event at 00:30 in Lagos belongs to the day and hour before."""
    row = event(
        "property_view", datetime.fromisoformat("2026-11-20T00:30:00+01:00"), listing_id="L"
    )
    take_in(warehouse, tmp_path, [row])
    assert rows(warehouse, "SELECT timestamp, event_date, event_hour FROM raw_events") == [
        (datetime(2026, 11, 19, 23, 30, tzinfo=UTC), date(2026, 11, 19), 23)
    ]


def test_prices_are_exact_decimals(warehouse, tmp_path):
    """Money is no float; a price that is no number is no sale."""
    take_in(
        warehouse,
        tmp_path,
        [
            event("listing_sold", "10:00:00", listing_id="L", price="1250000.10"),
            event("listing_sold", "11:00:00", listing_id="L", price="a lot"),
        ],
    )
    assert rows(warehouse, "SELECT price, rejected_reason FROM raw_events ORDER BY timestamp") == [
        (Decimal("1250000.10"), None),
        (None, "listing_sold with an unreadable price"),
    ]


_UNREADABLE = "listing_sold with an unreadable price"


@pytest.mark.parametrize(
    ("given", "price", "reason"),
    [
        (450000, "450000", None),
        (450000.5, "450000.5", None),
        (450.125, "450.13", None),
        ("450000", "450000", None),
        (" 450000 ", "450000", None),
        ("450,000", "450000", None),
        ("1,250,000.10", "1250000.10", None),
        ("450.000,00", "450000", None),
        ("450.000", "450000", None),
        ("1.250.000", "1250000", None),
        ("450,5", "450.5", None),
        ("450.50", "450.50", None),
        ("0.125", "0.13", None),
        ("1250000.125", "1250000.13", None),
        ("450 000", "450000", None),
        ("450\u00a0000,50", "450000.50", None),
        ("1'250'000.10", "1250000.10", None),
        ("₦450000", "450000", None),
        ("₦ 450,000.50", "450000.50", None),
        ("NGN 450,000", "450000", None),
        ("ngn450000", "450000", None),
        ("N450,000", "450000", None),
        ("=N=450,000", "450000", None),
        ("450,000 NGN", "450000", None),
        ("450000₦", "450000", None),
        ("\ufeff450\u200b000\u202c", "450000", None),
        ("450\u0000000", "450000", None),
        ("1e3", "1000", None),
        ("+5", "5", None),
        (0, "0", None),
        ("0", "0", None),
        (None, None, None),
        ("", None, None),
        ("  ", None, None),
        (-5, "-5", "listing_sold with a negative price"),
        ("-₦450,000", "-450000", "listing_sold with a negative price"),
        ("free", None, _UNREADABLE),
        ("NaN", None, _UNREADABLE),
        ("Infinity", None, _UNREADABLE),
        (10**20, None, _UNREADABLE),
        ("1e20", None, _UNREADABLE),
        ("4,50,000", None, _UNREADABLE),
        ("450,000,00", None, _UNREADABLE),
        ("450.000.00", None, _UNREADABLE),
        ("0,500", None, _UNREADABLE),
        ("1,250.000,10", None, _UNREADABLE),
        ("450k", None, _UNREADABLE),
        ("$450", None, _UNREADABLE),
        ("₦", None, _UNREADABLE),
        (True, None, _UNREADABLE),
        ({"amount": 5}, None, _UNREADABLE),
        ([450000], None, _UNREADABLE),
        ("5" * 300, None, _UNREADABLE),
    ],
)
def test_a_price_is_read_by_rule_or_is_no_sale(warehouse, tmp_path, given, price, reason):
    """Separators and naira signs are read in one way; what cannot be read is never a sale of 0."""
    got = stored(
        warehouse, tmp_path, "listing_sold", "price, rejected_reason", listing_id="L", price=given
    )
    assert got == (None if price is None else Decimal(price), reason)


def test_a_megabyte_of_text_is_stored_whole(warehouse, tmp_path):
    """A huge property neither stops a run nor is cut."""
    take_in(
        warehouse,
        tmp_path,
        [event("property_view", "10:00:00", listing_id="L", text="🏠" * 300_000)],
    )
    assert rows(
        warehouse, "SELECT length(properties ->> 'text'), rejected_reason FROM raw_events"
    ) == [(300_000, None)]
