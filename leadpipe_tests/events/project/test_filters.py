"""One event that means something only for some values of a property, or several things."""

import pytest

from leadpipe.events.project.advice import Advice
from leadpipe_tests.events.project.builders import (
    advice_for,
    prop,
    rules,
    told_apart,
)

_LISTING = prop("listing_id", [f"H-{n:03}" for n in range(20)])
_ARTICLES = prop("listing_id", [f"A-{n:03}" for n in range(20)])


def reason_of(advice: Advice, key: str = "only_where") -> str:
    """Why the first suggestion has a line."""
    [reason] = [line.reason for line in advice.suggestions[0].lines if line.key == key]
    return reason


@pytest.mark.parametrize("event", ["screen", "screen_viewed", "Page Viewed", "pantalla"])
def test_a_page_is_a_view_where_it_shows_a_listing(event):
    """By what the page is called and by the listing that is there; the reason has the shares."""
    parts = {"listing": [_LISTING], "search": [], "profile": []}
    advice = told_apart(event, "screen_type", parts)
    where = {"screen_type": ["listing"]}
    assert rules(advice) == [("view", {"only_where": where, "listing_id": ["listing_id"]})]
    assert reason_of(advice) == (
        "listing_id is there on 100 % of the events whose screen_type is 'listing', on 0 % of the others; "
        "other values: 'search' and 'profile'"
    )


def test_a_page_that_alone_has_a_listing_is_a_view():
    """Though its name says nothing; that it should be looked at is said."""
    advice = told_apart("screen", "page", {"xyz": [_LISTING], "start": [], "help": []})
    assert rules(advice)[0][0] == "view"
    assert "no other page than 'xyz' has a listing; make sure of it" in advice.suggestions[0].reason


def test_other_pages_of_such_an_event_are_no_visitors():
    """One event has one meaning: that is said where nothing else counts pages."""
    parts = {"listing": [_LISTING], "search": []}
    [(event, why)] = told_apart("screen", "page", parts).left_out
    assert (event.name, why[:43]) == ("screen", "its other events sound like page views; the")
    assert told_apart("screen", "page", parts, "$pageview").left_out == ()


def test_a_button_means_what_it_says():
    """Calls and chats are a lead with kinds, a share another rule, a menu and a saved search none."""
    parts = {
        "Call agent": [_LISTING],
        "WhatsApp": [_LISTING],
        "Share": [_LISTING],
        "Save search": [],
        "Menu": [],
    }
    assert rules(told_apart("button_clicked", "button", parts)) == [
        (
            "lead",
            {
                "only_where": {"button": ["Call agent", "WhatsApp"]},
                "listing_id": ["listing_id"],
                "lead_type": {
                    "from": ["button"],
                    "values": {"Call agent": "phone", "WhatsApp": "whatsapp"},
                    "otherwise": "unknown",
                },
            },
        ),
        ("share", {"only_where": {"button": ["Share"]}, "listing_id": ["listing_id"]}),
    ]


def test_a_contact_that_may_be_a_share_has_both_rules():
    """What the values do not call something else stays what the event's name says, and comes last."""
    parts = {"call": [_LISTING], "share": [_LISTING], "save": [_LISTING], "fax": [_LISTING]}
    found = rules(told_apart("contact", "action", parts))
    assert [(meaning, said.get("only_where")) for meaning, said in found] == [
        ("share", {"action": ["share"]}),
        ("saved_listing", {"action": ["save"]}),
        ("lead", None),
    ]
    assert found[-1][1]["lead_type"] == {
        "from": ["action"],
        "values": {"call": "phone"},
        "otherwise": "unknown",
    }


def test_one_meaning_with_kinds_stays_one_rule():
    """Kinds of a lead are values of its lead_type, and no rules."""
    parts = {"call": [_LISTING], "whatsapp": [_LISTING], "email": [_LISTING]}
    [(meaning, said)] = rules(told_apart("agent_contacted", "channel", parts))
    assert (meaning, "only_where" in said) == ("lead", False)


@pytest.mark.parametrize("event", ["contact_clicked", "listing_shared", "item_viewed"])
def test_an_event_counts_where_its_listing_is(event):
    """A name that says something, and a listing on exactly some values of a property."""
    parts = {"listing": [_LISTING], "help": [], "footer": []}
    advice = told_apart(event, "context", parts)
    assert rules(advice)[0][1]["only_where"] == {"context": ["listing"]}
    assert reason_of(advice).startswith(
        "listing_id is there on 100 % of the events whose context is"
    )


def test_no_filter_where_the_evidence_is_not_clear():
    """A listing that is there on half of a value's events tells nothing about it."""
    half = prop("listing_id", [f"H-{n:03}" for n in range(20)], filled=50)
    parts = {"listing": [_LISTING], "footer": [half], "help": []}
    [(_, said)] = rules(told_apart("contact_clicked", "context", parts))
    assert "only_where" not in said


def test_an_id_of_something_else_is_no_listing():
    """The same property with ids of its own where the kind is an agent or an article."""
    parts = {"listing": [_LISTING], "agent": [_ARTICLES], "article": [_ARTICLES]}
    advice = told_apart("item_viewed", "item_type", parts)
    assert rules(advice)[0][1]["only_where"] == {"item_type": ["listing"]}
    assert reason_of(advice) == "by what item_type says; other values: 'agent' and 'article'"


def test_kinds_of_listings_are_all_listings():
    """Houses and flats of one event are viewed alike."""
    parts = {"house": [_LISTING], "flat": [_LISTING]}
    [(_, said)] = rules(told_apart("item_viewed", "property_type", parts))
    assert "only_where" not in said


def test_a_meaning_without_its_listing_is_told():
    """Of a button's values those on which the listing is missing stay out, with the reason."""
    parts = {"call": [_LISTING], "phone": [], "share": []}
    advice = told_apart("click", "button", parts)
    assert [(meaning, said["only_where"]) for meaning, said in rules(advice)] == [
        ("lead", {"button": ["call"]})
    ]
    assert [why for _, why in advice.left_out] == [
        "where button is phone it sounds like a lead, but listing_id is mostly missing there",
        "where button is share it sounds like a share, but no property of it holds a listing",
    ]


def test_a_filter_needs_a_name_that_leaves_it_open():
    """Filters of a search that are called like contacts make no leads."""
    parts = {"call": [_LISTING], "share": [_LISTING]}
    assert rules(told_apart("filter_applied", "kind", parts)) == []


def test_a_signup_may_be_one_action_of_many():
    """It needs no listing."""
    advice = told_apart("user_action", "action", {"signup": [], "logout": []})
    assert rules(advice) == [("signup", {"only_where": {"action": ["signup"]}})]


def test_page_views_are_suggested_where_posthogs_own_do_not_come():
    """Two events for one page would count it twice."""
    assert rules(advice_for({"Page Viewed": ()})) == [("pageview", {})]
    [(event, why)] = advice_for({"Page Viewed": (), "$pageview": ()}).left_out
    assert event.name == "Page Viewed"
    assert why.startswith("it sounds like a page view; $pageview counts them already")


def test_screens_of_phones_are_page_views():
    """An app sends PostHog's own `$screen`, which nothing counts by itself."""
    assert rules(advice_for({"$screen": ()})) == [("pageview", {})]


def test_a_recharge_has_a_number_and_an_amount():
    """Under whatever names; without an amount it is told why it is none."""
    found = advice_for(
        {
            "airtime_purchased": [
                prop("customer_phone", ["08030000001", "08030000002"]),
                prop("value", [500, 1000]),
            ],
            "topup": [prop("msisdn", ["08030000001"])],
        }
    )
    assert rules(found) == [("recharge", {"msisdn": ["customer_phone"], "amount": ["value"]})]
    [(event, why)] = found.left_out
    assert (event.name, why) == (
        "topup",
        "it sounds like a recharge, but no property of it is an amount",
    )


def test_contact_data_without_a_listing_is_a_lead_to_deliver():
    """With what the partner takes, and a word on where it goes."""
    advice = advice_for(
        {
            "form_submitted": [
                prop("name", ["Ama", "Kofi"]),
                prop("phoneNumber", ["+233240000001", "+233240000002"]),
                prop("contact.email", ["a@mail.example"]),
                prop("postcode", ["12345"]),
                prop("make", ["VW"]),
                prop("agent_phone", ["+233240000009"]),
            ]
        }
    )
    assert rules(advice) == [
        (
            "captured_lead",
            {
                "phone": ["phoneNumber"],
                "email": ["contact.email"],
                "full_name": ["name"],
                "zip_code": ["postcode"],
                "vehicle_make": ["make"],
                "channel": "sms",
            },
        )
    ]
    assert "is delivered to the partner's API" in advice.suggestions[0].reason


def test_a_booked_test_drive_with_a_listing_is_a_lead():
    """Whatever contact data it holds."""
    data = [_LISTING, prop("phone", ["+233240000001"]), prop("email", ["a@mail.example"])]
    [(meaning, said)] = rules(advice_for({"test_drive_booked": data}))
    assert (meaning, said["lead_type"]) == ("lead", "appointment")


@pytest.mark.parametrize("event", ["lead_status_changed", "note_added", "call_logged"])
def test_what_staff_logged_is_for_people_to_decide(event):
    """It is told, with the page that says what it needs."""
    advice = advice_for({event: [_LISTING]})
    assert advice.suggestions == ()
    [(_, why)] = advice.left_out
    assert "docs/tenants.md" in why
