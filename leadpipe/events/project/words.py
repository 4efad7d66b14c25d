"""What names and values say in words: `contactAgentClicked` is contact, agent, clicked.

Belongs here: which words tell a view, a lead, a listing. Does not belong here: weighing them against what
the values are (`suggesting.py`).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

Told = Literal["signup", "sale", "share", "saved_listing", "website_visit", "lead", "view"]


def word_set(text: str) -> frozenset[str]:
    """The words of a text with spaces between."""
    return frozenset(text.split())


_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")

# Matched against the words with a space between: the first that fits tells what an event means.
_UNDONE = r"fail(s|ed|ure)?|errors?|cancel\w*|abandon\w*|declin\w*|rejected|invalid|expired|deleted"
_PARTS = (
    r"photos?|gallery|images?|pictures?|maps?|videos?|floor ?plans?|calculators?|reviews?|tabs?|menus?|forms?"
    r"|modals?|pop ?ups?|banners?|notifications?|filters?|search(es|ed)?|results?|newsletters?|articles?"
    r"|faqs?|pages?|screens?|prices?|app|push"
)
_SEEING = r"views?|viewed|open|opens|opened|opening|seen|see|saw|shown|displayed|visit|visited|looked|loaded"
_SEEN_THING = r"details?|impressions?|pdp"
_BEGUN = r"start\w*|begin|began|begun|initiat\w*|attempt\w*"
_CONTACT = (
    r"contact\w*|calls?|called|caller|calling|call ?backs?|phone\w*|dial\w*|tel|telephone\w*|whats ?app\w*"
    r"|messag\w*|chat\w*|sms|enquir\w*|inquir\w*|leads?|books?|booked|booking\w*|appointments?"
    r"|test ?drives?|schedul\w*|viewings?|tours?|inspections?|requests?|requested|e ?mail\w*"
    r"|appl(y|ied|ication)|offers?|quotes?|reveal\w*"
)
_TELLS: Mapping[Told, str] = {
    "signup": r"sign(ed)? ?up|signups?|register(ed)?|registration|(account|user) created|created account",
    "sale": r"sold|sales?|purchas\w*|deal (won|closed)",
    "share": r"shar(e|es|ed|ing)|forwarded",
    "saved_listing": r"(un)?saved?|(un)?favou?rit\w*|wish ?list\w*|bookmark\w*|short ?list\w*|(un)?like[ds]?",
    "website_visit": r"web ?sites?",
    "lead": _CONTACT,
    "view": f"{_SEEING}|{_SEEN_THING}",
}
_REMOVED = r"un\w+|remov\w*|deleted|off"
_NUMBER_SEEN = r"(phone|number|contact|mobile|telephone)"
LEAD_TYPES_TOLD: Mapping[str, str] = {
    "whatsapp": r"whats ?app\w*|wa|wapp",
    "appointment": r"test ?drives?|appointments?|book\w*|viewings?|visits?|tours?|schedul\w*|inspections?"
    r"|meetings?",
    "email": r"e ?mails?|e ?mailed|mails?|mailto",
    "phone": r"calls?|called|calling|call ?backs?|phone\w*|dial\w*|tel|telephone\w*|mobile|ring|number",
    "message": r"messag\w*|chat\w*|enquir\w*|inquir\w*|forms?|sms|dm|text",
    "website": r"websites?|web ?site|homepage|external",
}
VIEWED_FROM_TOLD: Mapping[str, str] = {
    "home": r"home ?pages?|home|landing|start ?page|front ?page",
    "explore": r"explor\w*|discover\w*|browse|feed|recommend\w*|categor\w*",
    "search": r"search\w*|results?|google|bing|serp",
    "direct": r"direct|link|url|deep ?link|typed",
}
LISTING_WORDS = word_set(
    """
    listing listings property vehicle car vin ad advert item product unit stock house home apartment
    flat boat bike plot room villa estate accommodation
    """
)
LISTER_WORDS = word_set(
    """
    agent dealer seller lister developer owner broker landlord advertiser vendor host realtor agency
    """
)
ID_WORDS = word_set(
    """
    id ids ref reference uuid uid guid sku slug code number no nr key vin
    """
)
# An id of something else, or no id at all.
OTHER_WORDS = word_set(
    """
    user buyer customer visitor member account session anonymous device company campaign order
    request message lead conversation thread event trace url link href email mail phone mobile price
    amount lat lng latitude longitude time timestamp date at count index position page size rank
    version build type kind category status title name description city region area bedrooms
    bathrooms make model year color colour currency source channel method medium seeker browser
    platform os app experiment variant query
    """
)
SEEKER_WORDS = word_set(
    """
    user buyer customer member seeker renter
    """
)


@lru_cache(maxsize=4096)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a name or a value, in lower case."""
    return tuple(_WORD.findall(_HUMP.sub("_", text).lower()))


def has(pattern: str, text: str) -> bool:
    """Whether words of the text are what a pattern says."""
    return re.search(rf"\b(?:{pattern})\b", " ".join(words_of(text))) is not None


def told(name: str) -> Told | None:
    """What an event's name says that it means; None where it says nothing, or two things."""
    if has(_UNDONE, name):
        return None
    found = next((meaning for meaning, pattern in _TELLS.items() if has(pattern, name)), None)
    is_seen = has(_SEEING, name)
    if found == "lead" and is_seen:
        # A number that is shown is a contact; a form or a message that is opened is none yet.
        is_contact = has(_NUMBER_SEEN, name) or has(
            r"viewings?|book\w*|request\w*|schedul\w*", name
        )
        return "lead" if is_contact and not has(_PARTS, name) else None
    if is_seen and found in ("sale", "share", "saved_listing"):  # one that is for sale, or saved
        found = "view"
    if (found == "signup" and is_seen) or (found in ("signup", "sale") and has(_BEGUN, name)):
        return None
    return None if found == "view" and has(_PARTS, name) else found


def is_removal(name: str) -> bool:
    """Whether what was saved is let go of."""
    return has(_REMOVED, name)


def read_as(text: str, kinds: Mapping[str, str]) -> str | None:
    """The first kind of which a text has words."""
    return next((kind for kind, pattern in kinds.items() if has(pattern, text)), None)
