"""Personal data is covered whatever its script, its spelling and its escapes."""

import html
import json
from urllib.parse import quote, quote_plus

import pytest

from leadpipe.delivery.masking import mask, masked, scrubbed

NAMES = [
    "Jane Doe",
    "Zoë Müller",
    "李雷",
    "Bo Li",
    "عمر خالد",
    "İpek Çağlar",
    "김 민수",
    "Łukasz Żółć",
    "Jean-Luc O’Neil",
    "Дмитрий Иванов",
    "สมชาย ใจดี",
    "𠮷野 太郎",
]
SPELLINGS = [
    str,
    str.upper,
    str.lower,
    lambda name: json.dumps(name)[1:-1],
    lambda name: json.dumps(json.dumps(name))[2:-2],
    quote,
    quote_plus,
    lambda name: quote(name).lower(),
    html.escape,
    lambda name: "".join(f"&#{ord(each)};" for each in name),
    lambda name: "\u202b" + name + "\u202c",
    lambda name: " ".join(reversed(name.split())),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spelled", SPELLINGS)
def test_a_name_is_covered_however_it_is_written(name, spelled):
    """Nothing of it is left but single letters, and the rest stays readable."""
    said = f"HTTP 422: refused (customer {spelled(name)} is known)"
    shown = scrubbed(said, {"full_name": name})
    assert "[full_name]" in shown
    assert shown.startswith("HTTP 422: refused (customer ")
    words = [word for word in name.replace("-", " ").replace("’", " ").split() if len(word) > 1]
    assert [word for word in words if word.casefold() in shown.casefold()] == []


def test_a_name_without_its_accents_is_covered():
    """As systems write it that know no accents."""
    assert scrubbed("ZOE MULLER exists", {"full_name": "Zoë Müller"}) == "[full_name] exists"


def test_short_names_cover_no_words():
    """A name of two letters is a word of its own."""
    assert scrubbed("Bo: cannot book", {"full_name": "Bo An"}) == "[full_name]: cannot book"


@pytest.mark.parametrize(
    "said",
    [
        "+12015550123",
        "2015550123",
        "(201) 555-0123",
        "+1 201.555.0123",
        "%2B12015550123",
        "1-201-555-0123",
        "555-0123",
        "201 555 01 23",
        "٢٠١٥٥٥٠١٢٣",
        "２０１５５５０１２３",
    ],
)
def test_a_phone_is_covered_however_it_is_written(said):
    """Whole or in part, in any digits."""
    shown = scrubbed(f"number {said} is known", {"phone": "(201) 555-0123"})
    assert "[phone]" in shown
    assert not any(each.isdigit() for each in shown)


def test_other_peoples_addresses_and_numbers_are_covered_too():
    """A partner may name the lead that it has already; dates and ids stay."""
    said = "dup of bob@example.com, +44 20 7946 0018 at 2026-11-21T10:00:00Z (npa-123456789)"
    assert scrubbed(said, {}) == "dup of [email], [phone] at 2026-11-21T10:00:00Z (npa-123456789)"


def test_lists_cover_what_short_values_would_give_away():
    """One letter before an @ says all of it; a phone in a harmless field is covered."""
    assert [mask("email", "a@b.co"), mask("zip_code", "101"), mask("full_name", "J")] == [
        "***@b.co",
        "***",
        "***",
    ]
    shown = masked({"phone": "+12015550123", "vehicle_model": "call 2015550123", "note": "x"})
    assert shown == {"phone": "***0123", "vehicle_model": "call [phone]"}
