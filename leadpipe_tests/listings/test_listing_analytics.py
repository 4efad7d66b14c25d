"""The listing marts against a plain Python count of the same events, and the seed's own examples."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW
from leadpipe_tests.dagster_ui.builders import shown_of
from leadpipe_tests.events.builders import build_marts, event, rows, take_in
from leadpipe_tests.orders import orders

_START = datetime(2026, 11, 18, 22, tzinfo=UTC)
_IMPRESSIONS = ("impression_social_media", "impression_website_visit", "impression_share")


def hours(warehouse: Warehouse) -> list[dict[str, object]]:
    """All rows of listing_analytics as dicts, with the breakdowns decoded."""
    with warehouse.connect() as connection:
        result = connection.execute("SELECT * FROM listing_analytics ORDER BY ALL")
        names = [column[0] for column in result.description]
        found = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    for row in found:
        row["share_breakdown"] = json.loads(row["share_breakdown"])
        row["leads_breakdown"] = json.loads(row["leads_breakdown"])
    return found


def test_the_seeds_example_counts_two_calls_of_one_seeker(warehouse, tmp_path):
    """Two calls by seeker-456 on listing-123 in an hour: two phone leads, one unique."""
    call = {"listing_id": "listing-123", "seeker_id": "seeker-456"}
    take_in(
        warehouse,
        tmp_path,
        [event("lead_phone", "10:00:00", **call), event("lead_phone", "10:30:00", **call)],
    )
    build_marts(warehouse)
    row = hours(warehouse)[0]
    assert {key: row[key] for key in ("hour", "phone_leads", "total_leads", "unique_leads")} == {
        "hour": 10,
        "phone_leads": 2,
        "total_leads": 2,
        "unique_leads": 1,
    }


def test_views_and_impressions_are_kept_apart(warehouse, tmp_path):
    """A view is never an impression, an impression never a view; a removed save counts nowhere."""
    kinds: list[tuple[str, dict[str, object]]] = [
        ("property_view", {"viewed_from": "home", "is_logged_in": True, "person_id": "p"}),
        ("property_view", {"viewed_from": "elsewhere", "person_id": "p"}),
        ("impression_social_media", {}),
        ("impression_website_visit", {}),
        ("impression_share", {"platform": "WhatsApp"}),
        ("impression_share", {}),
        ("impression_saved_listing", {"action": "add"}),
        ("impression_saved_listing", {"action": "remove"}),
    ]
    take_in(
        warehouse,
        tmp_path,
        [event(name, "10:00:00", listing_id="L", **fields) for name, fields in kinds],
    )
    build_marts(warehouse)
    [row] = hours(warehouse)
    assert (row["total_views"], row["unique_views"], row["total_impressions"]) == (2, 1, 5)
    assert (row["logged_in_views"], row["anonymous_views"], row["views_from_home"]) == (1, 1, 1)
    assert row["share_breakdown"] == {"unknown": 1, "whatsapp": 1}
    assert (row["conversion_rate"], row["total_leads"]) == (0.0, 0)


def test_a_day_that_was_emptied_loses_its_hours(warehouse, tmp_path):
    """Replacing a day removes hours that no longer have events."""
    take_in(
        warehouse,
        tmp_path,
        [
            event(
                "property_view",
                "10:00:00",
                uuid="00000000-0000-4000-8000-000000000001",
                listing_id="L",
            )
        ],
    )
    build_marts(warehouse)
    correction = event(
        "property_view",
        "10:00:00",
        uuid="00000000-0000-4000-8000-000000000001",
        created_at=NOW,
    )
    take_in(warehouse, tmp_path, [correction], run_id="run-2")
    build_marts(warehouse)
    assert rows(warehouse, "SELECT count(*) FROM listing_analytics") == [(0,)]
    assert rows(warehouse, "SELECT count(*) FROM listings") == [(0,)]


events = st.builds(
    lambda name, minutes, listing, who, fields: event(
        name,
        _START + timedelta(minutes=minutes),
        listing_id=listing,
        person_id=f"person-{who % 3}",
        distinct_id=f"anonymous-{who}",
        **{key: value for key, value in fields.items() if value is not None},
    ),
    st.sampled_from(
        [
            "property_view",
            "property_view",
            *_IMPRESSIONS,
            "impression_saved_listing",
            "listing_sold",
            "lead_phone",
            "lead_message",
            "lead_appointment",
            "lead",
        ]
    ),
    st.integers(0, 300),
    st.sampled_from(["a", "b"]),
    st.integers(0, 5),
    st.fixed_dictionaries(
        {
            "viewed_from": st.sampled_from(["home", "explore", "search", "direct", "mail", None]),
            "is_logged_in": st.sampled_from([True, False, None]),
            "platform": st.sampled_from(["facebook", 'od"d', None]),
            "action": st.sampled_from(["add", "remove", None]),
            "price": st.sampled_from([1.5, "20", None]),
            "message_type": st.sampled_from(["whatsapp", "email", None]),
            "lead_type": st.sampled_from(["phone", "message", "website"]),
            "seeker_id": st.sampled_from(["s1", "s2", None]),
        }
    ),
)


def counted(deliveries) -> dict[tuple[Any, ...], Counter[str]]:
    """The plain count: one pass over the events in Python."""
    table: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    people: dict[tuple[Any, ...], set[tuple[str, str]]] = defaultdict(set)
    for row in deliveries:
        properties = row["properties"]
        key = (properties["listing_id"], row["timestamp"].date(), row["timestamp"].hour)
        tally, name = table[key], row["event"]
        if name == "impression_saved_listing" and properties.get("action") == "remove":
            if not tally:
                del table[key]
            continue
        if name == "property_view":
            tally["views"] += 1
            tally[f"from {properties.get('viewed_from')}"] += 1
            tally["logged in"] += properties.get("is_logged_in") is True
            people[key].add(("view", row["person_id"]))
        elif name.startswith("impression"):
            tally["impressions"] += 1
            tally[name] += 1
            if name == "impression_share":
                tally[f"share {properties.get('platform', 'unknown')}"] += 1
        elif name == "listing_sold":
            tally["sales"] += 1
            tally["cents"] += int(Decimal(str(properties.get("price", 0))) * 100)
        else:
            kind = {"lead": properties["lead_type"]}.get(name, name.removeprefix("lead_"))
            kind = properties.get("message_type", "direct_message") if kind == "message" else kind
            tally["leads"] += 1
            tally[kind] += 1
            people[key].add(("lead", properties.get("seeker_id", row["distinct_id"])))
    for key, seen in people.items():
        table[key]["viewers"] = sum(kind == "view" for kind, _ in seen)
        table[key]["seekers"] = sum(kind == "lead" for kind, _ in seen)
    return table


@settings(max_examples=orders(10), deadline=None)
@given(deliveries=st.lists(events, min_size=1, max_size=40))
def test_hours_and_totals_equal_a_plain_count(tmp_path_factory, deliveries):
    """Every column of every hour, and every total, is what one pass over the events counts."""
    folder = tmp_path_factory.mktemp("marts")
    warehouse = Warehouse(folder / "a.duckdb")
    take_in(warehouse, folder, deliveries)
    build_marts(warehouse)
    expected = counted(deliveries)
    got = hours(warehouse)
    assert [(row["listing_id"], row["date"], row["hour"]) for row in got] == sorted(expected)
    for row in got:
        tally = expected[row["listing_id"], row["date"], row["hour"]]
        assert row == {
            "listing_id": row["listing_id"],
            "date": row["date"],
            "hour": row["hour"],
            "total_views": tally["views"],
            "unique_views": tally["viewers"],
            "logged_in_views": tally["logged in"],
            "anonymous_views": tally["views"] - tally["logged in"],
            **{
                f"views_from_{w}": tally[f"from {w}"]
                for w in ("home", "explore", "search", "direct")
            },
            "total_impressions": tally["impressions"],
            **{name: tally[name] for name in (*_IMPRESSIONS, "impression_saved_listing")},
            "share_breakdown": {
                key.removeprefix("share "): value
                for key, value in tally.items()
                if key.startswith("share ")
            },
            "total_leads": tally["leads"],
            "phone_leads": tally["phone"],
            "message_leads": tally["whatsapp"] + tally["direct_message"],
            "email_leads": tally["email"],
            "appointment_leads": tally["appointment"],
            "website_leads": tally["website"],
            "leads_breakdown": {
                kind: tally[kind]
                for kind in (
                    "phone",
                    "whatsapp",
                    "direct_message",
                    "email",
                    "appointment",
                    "website",
                )
            },
            "unique_leads": tally["seekers"],
            "conversion_rate": tally["leads"] * 100.0 / tally["views"] if tally["views"] else None,
            "total_sales": tally["sales"],
            "sales_value": Decimal(tally["cents"]) / 100,
        }
    _assert_totals(warehouse, deliveries)


def _assert_totals(warehouse: Warehouse, deliveries) -> None:
    """All of a listing's events as one hour: the totals are what the hours would be without hours."""
    at_once = counted([{**row, "timestamp": _START} for row in deliveries])
    usable = [
        row
        for row in deliveries
        if not (
            row["event"] == "impression_saved_listing"
            and row["properties"].get("action") == "remove"
        )
    ]
    expected = [
        (
            listing,
            tally["views"],
            tally["viewers"],
            tally["impressions"],
            tally["leads"],
            tally["seekers"],
            Decimal(tally["cents"]) / 100,
            min(row["timestamp"] for row in usable if row["properties"]["listing_id"] == listing),
            max(row["timestamp"] for row in usable if row["properties"]["listing_id"] == listing),
        )
        for (listing, _, _), tally in sorted(at_once.items())
    ]
    assert expected == rows(
        warehouse,
        "SELECT listing_id, total_views, unique_views, total_impressions, total_leads, unique_leads, "
        "sales_value, first_activity_at, last_activity_at FROM listings ORDER BY listing_id",
    )


def test_the_ui_shows_its_assets():
    """Hours and totals, each with its check."""
    assert shown_of("listings") == {
        "listing_analytics": (
            ("marts", "warehouse", "duckdb"),
            {"no_hour_is_impossible"},
        ),
        "listings": (
            ("marts", "warehouse", "duckdb"),
            {"totals_equal_their_hours"},
        ),
    }
