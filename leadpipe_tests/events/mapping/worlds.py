"""Three teams: the built-in names, a team with names of its own, and a car marketplace."""

from leadpipe_tests.events.builders import event

OWN_NAMES = """
[events.listing_viewed]
meaning = "view"
listing_id = ["propertyRef", "property.ref"]
viewed_from = {from = ["source"], values = {"home page" = "home", "Google" = "search"}, otherwise = "other"}

[events.contact_agent_clicked]
meaning = "lead"
only_where = {context = "listing"}
listing_id = ["propertyRef", "property.ref"]
lister_id = ["agentId"]
lister_type = "agent"
lead_type = {from = ["channel"], values = {"WhatsApp call" = "whatsapp", call = "phone"}, default = "phone"}
"""

CARS = """
builtin = false

[properties]
listing_id = ["vin"]
seeker_id = ["buyer.id"]

[events.vehicle_opened]
meaning = "view"

[events.call_dealer]
meaning = "lead"
lead_type = "phone"
lister_id = ["dealer.id"]

[events.test_drive_booked]
meaning = "lead"
lead_type = "appointment"
appointment_type = {from = ["kind"], default = "test drive"}

[[events.tapped]]
meaning = "share"
only_where = {button = ["share", "Send"]}
platform = ["target"]

[[events.tapped]]
meaning = "saved_listing"
only_where = {button = "save"}
save_action = {from = ["on"], values = {true = "add", false = "remove"}}

[events.car_sold]
meaning = "sale"
price = ["amount.value"]
"""

CONTACTS = """
[events.LeadUpdated]
meaning = "nothing"

[events."Call logged"]
meaning = "staff_contact"
only_where = {kind = ["lead", "7"]}
tenant = {from = ["org.slug"], values = {hew = "healingemeraldwellness"}}
programId = ["course.id", "course"]
leadId = ["person.ids[0]"]
loggedAt = ["at"]
contactOutcome = {from = ["result"], values = {"No answer" = "not_reached"}, otherwise = "conversation"}
notReachedReason = "try_again_later"
notes = ["remarks.text"]
"""


def own_names():
    """What the team with names of its own sends in an hour."""
    return [
        event("listing_viewed", "10:00:00", distinct_id="a", propertyRef="L1", source="Home page"),
        event("listing_viewed", "10:01:00", distinct_id="b", property={"ref": 7}, source="google"),
        event("listing_viewed", "10:02:00", distinct_id="b", propertyRef="L1", source="mail"),
        event("listing_viewed", "10:03:00", distinct_id="b"),
        event(
            "contact_agent_clicked",
            "10:04:00",
            distinct_id="a",
            propertyRef="L1",
            agentId="A9",
            context="Listing",
            channel="whatsapp call",
        ),
        event(
            "contact_agent_clicked",
            "10:05:00",
            distinct_id="a",
            propertyRef="L1",
            agentId="A9",
            context="listing",
        ),
        event("contact_agent_clicked", "10:06:00", distinct_id="a", context="help"),
    ]


def cars():
    """What the car marketplace sends in an hour."""
    buyer = {"vin": "V1", "buyer": {"id": "B1"}}
    return [
        event("vehicle_opened", "10:00:00", **buyer),
        event("call_dealer", "10:01:00", **buyer, dealer={"id": "D1"}),
        event("test_drive_booked", "10:02:00", **buyer),
        event("tapped", "10:03:00", vin="V1", button="send", target="WhatsApp"),
        event("tapped", "10:04:00", vin="V1", button="save", on=True),
        event("tapped", "10:05:00", vin="V1", button="save", on=False),
        event("tapped", "10:06:00", vin="V1", button="zoom"),
        event("car_sold", "10:07:00", vin="V1", amount={"value": "₦4,500,000"}),
        event("property_view", "10:08:00", listing_id="L1"),
    ]
