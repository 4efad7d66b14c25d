"""A mapping made of what was seen: names and values together, each line with a reason, nothing personal."""

import pytest

from leadpipe.events.project.vocabulary import words_of
from leadpipe.events.project.words import LEAD_TYPES_TOLD, read_as, told
from leadpipe.events.project.written import read_back, toml_text
from leadpipe_tests.events.project.builders import advice_for, profile, prop, suggested

_IDS = [f"H-{n:03}" for n in range(20)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("contactAgentClicked", "contact agent clicked"),
        ("Listing Viewed", "listing viewed"),
        ("test-drive.booked", "test drive booked"),
        ("VINChecked", "vin checked"),
        ("änderung_gesehen", "anderung gesehen"),
    ],
)
def test_names_are_words(name, words):
    """Humps, underscores, hyphens and blanks divide them alike."""
    assert " ".join(words_of(name)) == words


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("listing_viewed", "view"),
        ("vehicleOpened", "view"),
        ("property_details", "view"),
        ("saved_listing_viewed", "view"),
        ("contact_agent_clicked", "lead"),
        ("call_dealer", "lead"),
        ("testDriveBooked", "lead"),
        ("viewing_requested", "lead"),
        ("phone_number_shown", "lead"),
        ("enquiry_sent", "lead"),
        ("listing_shared", "share"),
        ("favourite_added", "saved_listing"),
        ("wishlistRemoved", "saved_listing"),
        ("car_sold", "sale"),
        ("user_registered", "signup"),
        ("agent_website_clicked", "website_visit"),
        ("contact_form_opened", None),
        ("search_results_viewed", None),
        ("booking_cancelled", None),
        ("message_opened", None),
        ("purchase_started", None),
        ("signup_page_viewed", None),
        ("photo_opened", None),
        ("theme_changed", None),
        ("filter_applied", None),
        ("job_applied", "lead"),
        ("job_offer_viewed", "view"),
        ("save_search", None),
        ("unit_saved", "saved_listing"),
        ("page", "pageview"),
        ("Screen Viewed", "pageview"),
        ("airtime_purchased", "recharge"),
        ("lead_status_changed", "staff_contact"),
    ],
)
def test_a_name_tells_what_an_event_may_mean(name, meaning):
    """A form that is opened is no lead, a list that is seen no view of a listing."""
    assert told(name) == meaning


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("WhatsApp", "whatsapp"),
        ("call back", "phone"),
        ("E-Mail", "email"),
        ("test drive", "appointment"),
        ("chat", "message"),
        ("pigeon", None),
    ],
)
def test_a_value_tells_the_kind_of_a_lead(text, kind):
    """In whatever case and spelling."""
    assert read_as(text, LEAD_TYPES_TOLD) == kind


def test_the_listing_is_found_by_its_values_where_no_name_tells_it():
    """What many people share, and views and leads have alike, is the listing; a session is one person's."""
    sessions = [f"S{n:03}" for n in range(20)]
    found = suggested(
        {
            "vu": [],
            "seen": [prop("x", _IDS), prop("s", sessions, pairs=20)],
            "called": [prop("y", _IDS[:8]), prop("s", sessions[:8], pairs=8)],
        }
    )
    assert found["seen"] == ("view", {"listing_id": ["x"]})
    assert found["called"][1]["listing_id"] == ["y"]


def test_the_same_values_under_another_name_are_the_listing():
    """A lead that calls it `obj` has the listing of the views that call it listingRef."""
    found = suggested(
        {"item_viewed": [prop("listingRef", _IDS)], "called": [prop("obj", _IDS[:6])]}
    )
    assert found["called"] == ("lead", {"listing_id": ["obj"], "lead_type": "phone"})


def test_a_listing_under_two_names_has_both():
    """Where the first name is not always there the next one is asked, nested ones too."""
    found = suggested(
        {"seen": [prop("propertyRef", _IDS, filled=70), prop("property.ref", _IDS, filled=30)]}
    )
    assert found["seen"][1] == {"listing_id": ["propertyRef", "property.ref"]}


@pytest.mark.parametrize(
    "other",
    [
        prop("property_type", ["flat", "house"]),
        prop("product", ["premium", "basic"]),
        prop("agent_id", _IDS),
        prop("vehicle_name", ["Golf 7", "Golf 8"]),
        prop("listing_url", ["https://a.example/1", "https://a.example/2"]),
        prop("listing_date", ["2026-11-01", "2026-11-02"]),
        prop("item_price", [1.5, 2.5]),
        prop("user_ref", _IDS, own=100),
    ],
    ids=lambda one: one.text,
)
def test_what_is_no_listing(other):
    """A kind, a plan, another's id, a name, an address, a day, a price: the event is left out, told why."""
    advice = advice_for({"listing_viewed": [other]})
    assert advice.suggestions == ()
    assert [(one.name, why) for one, why in advice.left_out] == [
        ("listing_viewed", "it sounds like a view, but no property of it holds a listing")
    ]


def test_values_say_the_kind_of_a_lead():
    """What they do not say is rejected until somebody does, and that is told; without a value it is phone."""
    lead = [
        prop("vin", _IDS),
        prop("contactMethod", ["WhatsApp", "call", "fax"], filled=80, different=3),
        prop("utm_source", ["email", "phone"], different=2),
    ]
    advice = advice_for({"dealer_contacted": lead})
    [one] = advice.suggestions
    [line] = [line for line in one.lines if line.key == "lead_type"]
    assert line.value == {
        "from": ["contactMethod"],
        "values": {"WhatsApp": "whatsapp", "call": "phone"},
        "otherwise": "unknown",
        "default": "phone",
    }
    assert line.reason == (
        "contactMethod says 'WhatsApp', 'call'; rejected until you say what they are: 'fax'; "
        "phone is assumed where it says nothing"
    )


def test_a_kind_that_nothing_says_is_told_as_a_guess():
    """Nobody takes an assumption for something that was seen."""
    [one] = advice_for({"agent_contacted": [prop("listing_ref", _IDS)]}).suggestions
    assert one.lines[-1].value == "phone"
    assert one.lines[-1].reason == "nothing says of which kind it is; phone is assumed, change it"


def test_all_that_can_be_said_of_an_event_is_said():
    """Lister, seeker, origin, login, target, price and removal have lines of their own."""
    found = suggested(
        {
            "unit_viewed": [
                prop("unitId", _IDS),
                prop("agent.id", ["A1", "A2"]),
                prop("source", ["Home page", "Google", "mail"]),
                prop("loggedIn", [True, False]),
            ],
            "unit_shared": [prop("unitId", _IDS), prop("network", ["whatsapp", "facebook"])],
            "unit_unsaved": [prop("unitId", _IDS)],
            "unit_sold": [prop("unitId", _IDS), prop("salePrice", [100000, 200000])],
            "callback_requested": [prop("unitId", _IDS), prop("buyerId", ["B1", "B2"])],
            "registered": [],
        }
    )
    assert found == {
        "unit_viewed": (
            "view",
            {
                "listing_id": ["unitId"],
                "viewed_from": {
                    "from": ["source"],
                    "values": {"Home page": "home", "Google": "search"},
                    "otherwise": "other",
                },
                "lister_id": ["agent.id"],
                "lister_type": "agent",
                "is_logged_in": ["loggedIn"],
            },
        ),
        "unit_shared": ("share", {"listing_id": ["unitId"], "platform": ["network"]}),
        "unit_unsaved": ("saved_listing", {"listing_id": ["unitId"], "save_action": "remove"}),
        "unit_sold": ("sale", {"listing_id": ["unitId"], "price": ["salePrice"]}),
        "callback_requested": (
            "lead",
            {"listing_id": ["unitId"], "lead_type": "phone", "seeker_id": ["buyerId"]},
        ),
        "registered": ("signup", {}),
    }


def test_a_second_view_is_not_counted_twice_in_silence():
    """Of two events that mean a view one may follow from the other: the file says so."""
    ids = [prop("listing_ref", _IDS)]
    advice = advice_for({"listing_opened": ids, "listing_viewed": ids})
    assert [("as well" in one.reason) for one in advice.suggestions] == [False, True]


def test_names_that_are_mapped_or_posthogs_own_are_left_alone():
    """The built-in names, `$pageview` and the like are never suggested again."""
    assert suggested({"property_view": [prop("listing_id", _IDS)], "$screen_viewed": []}) == {}


@pytest.mark.parametrize(
    "name",
    [
        'listing "A" viewed',
        "l'annonce viewed",
        "a.b viewed",
        "view\\ed seen",
        "Ω viewed",
        "[viewed]",
    ],
)
def test_any_name_gives_a_file_that_can_be_read(name):
    """Quotes, dots, brackets and backslashes in names and values are written as TOML has them."""
    events = {
        name: [prop("listing_ref", _IDS), prop("source", ['the "home"', "it's search", "a\\b"])],
        f"{name.removesuffix('viewed')} called": [prop("listing_ref", _IDS)],
    }
    seen = profile(events)
    mapping = read_back(toml_text(advice_for(events), seen))
    [rule] = mapping.events[name]
    assert rule.meaning == "view"
    assert rule.sources["viewed_from"].values == {'the "home"': "home", "it's search": "search"}


def test_a_comment_cannot_end_early():
    """A line break in a name reaches no line of the file."""
    events = {"listing\nviewed": [prop("listing_ref", _IDS)], "item_called\x1b": []}
    assert advice_for(events).suggestions == ()


def test_personal_values_are_in_no_line():
    """Numbers, mails, names and all that is not few stay in PostHog."""
    events = {
        "agent_contacted": [
            prop("listing_ref", _IDS),
            prop("contact", ["call Ama on 0244000111", "ama@mail.example"]),
            prop("contact_name", ["Ama Call", "Kofi Call"]),
            prop("type", [f"call {n}" for n in range(30)]),
        ]
    }
    text = toml_text(advice_for(events), profile(events))
    assert not [each for each in ("Ama", "Kofi", "0244", "@", "call 2") if each in text]
    assert read_back(text).events["agent_contacted"][0].sources["lead_type"].default == "phone"
