"""What names and values say in words: `contactAgentClicked` is contact, agent, clicked.

Belongs here: what an event could mean by its name, what a value says. Does not belong here: the words
themselves (`languages/`, `vocabulary.py`); weighing them against what the values are (`suggesting.py`).
"""

from collections.abc import Mapping
from typing import Literal

from leadpipe.events.project.vocabulary import has, lister_types, marks_of, word_marks, words_of

Told = Literal[
    "signup",
    "sale",
    "share",
    "saved_listing",
    "website_visit",
    "lead",
    "view",
    "pageview",
    "recharge",
    "staff_contact",
]
# The first that fits tells what an event means.
_TELLS: Mapping[str, Told] = {
    "events.signup": "signup",
    "events.sale": "sale",
    "events.share": "share",
    "events.saved": "saved_listing",
    "events.website": "website_visit",
    "events.contact": "lead",
    "events.seen": "view",
    "events.seen_thing": "view",
}
_NEUTRAL = frozenset({"app", "web", "mobile", "event", "change", "changed", "load"})
LEAD_TYPES_TOLD: Mapping[str, str] = {
    kind: f"lead_types.{kind}"
    for kind in ("whatsapp", "appointment", "email", "phone", "message", "website")
}
_PLAIN_KINDS = ("whatsapp", "email", "phone")
_OTHER_PAGES = frozenset({"events.parts", "events.contact", "events.share", "events.signup"})
VIEWED_FROM_TOLD: Mapping[str, str] = {
    place: f"viewed_from.{place}" for place in ("home", "explore", "search", "direct")
}


def told(name: str) -> Told | None:
    """What an event's name says that it means; None where it says nothing, or two things."""
    marks = marks_of(name)
    if "events.undone" in marks or "events.staff" in marks:
        return None if "events.undone" in marks else "staff_contact"
    is_part, is_seen = "events.parts" in marks, "events.seen" in marks
    if "events.recharge" in marks:
        return None if is_part or is_seen or "events.begun" in marks else "recharge"
    if _is_page(name):
        return "pageview"
    if "events.submitted" in marks and not is_seen:
        return "lead"
    found = next((meaning for mark, meaning in _TELLS.items() if mark in marks), None)
    if found == "lead" and is_seen:
        found = _seen_contact(name)
    elif found == "view" and _is_number(name):
        found = "lead"
    if is_seen and found in ("sale", "share", "saved_listing"):  # one that is for sale, or saved
        found = "view"
    is_none = (
        (found == "signup" and is_seen)
        or (found in ("signup", "sale") and "events.begun" in marks)
        or (found in ("view", "share", "saved_listing", "sale") and is_part)
        or (found == "lead" and is_part and _is_applied(name))
    )
    return None if is_none else found


def _seen_contact(name: str) -> Told | None:
    """A number that is shown is a contact; a form or a message that is opened is none yet."""
    contacts = [word for word in words_of(name) if "events.contact" in word_marks(word)]
    if contacts and all("properties.listing" in word_marks(word) for word in contacts):
        return "view"  # a job's offer, an apartment on offer
    is_contact = has("events.number", name) or has("events.asked", name)
    return "lead" if is_contact and not has("events.parts", name) else None


def _is_applied(name: str) -> bool:
    """Whether no other word than this sounds like a contact: a filter is applied, a job applied for."""
    contacts = [word for word in words_of(name) if "events.contact" in word_marks(word)]
    return all("events.applied" in word_marks(word) for word in contacts) and bool(contacts)


def _is_number(name: str) -> bool:
    """Whether it is a number that is seen, and not a listing's."""
    marks = [word_marks(word) for word in words_of(name) if word not in _NEUTRAL]
    is_listing = any("properties.listing" in one for one in marks)
    return any("events.number" in one for one in marks) and not is_listing


def _is_page(name: str) -> bool:
    words = words_of(name)
    return has("events.page", name) and all(
        word in _NEUTRAL or word_marks(word) & {"events.page", "events.seen"} for word in words
    )


def is_generic(name: str) -> bool:
    """Whether a name leaves open what happened, so that a property has to say it: `button_clicked`."""
    words = words_of(name)
    return bool(words) and all(
        word_marks(word) & {"events.generic", "properties.listing"} for word in words
    )


def told_by_value(value: str) -> Told | None:
    """What a value says that its event means, where the event's name leaves it open: `share`, `call`."""
    said = told(value)
    if said is None and read_as(value, LEAD_TYPES_TOLD) in _PLAIN_KINDS:
        is_plain = not marks_of(value) & {"events.undone", "events.parts", "events.seen"}
        return "lead" if is_plain else None
    return said


def is_listing_page(value: str) -> bool:
    """Whether a page or screen of this name shows one listing."""
    marks = marks_of(value)
    if "events.seen_thing" in marks:
        return not marks & _OTHER_PAGES
    return "properties.listing" in marks and not marks & {*_OTHER_PAGES, "viewed_from.home"}


def is_another_thing(value: str) -> bool:
    """Whether a value names what is no listing, such as an agent, an article or a search."""
    marks = marks_of(value)
    is_lister = any(mark.startswith("listers.") for mark in marks)
    return "properties.listing" not in marks and (is_lister or "events.parts" in marks)


def is_removal(name: str) -> bool:
    """Whether what was saved is let go of."""
    return has("events.removed", name)


def read_as(text: str, kinds: Mapping[str, str]) -> str | None:
    """The first kind of which a text has words."""
    marks = marks_of(text)
    return next((kind for kind, mark in kinds.items() if mark in marks), None)


def lister_of(word: str) -> str | None:
    """The kind of lister that a word names."""
    marks = word_marks(word)
    return next((kind for kind in lister_types() if f"listers.{kind}" in marks), None)
