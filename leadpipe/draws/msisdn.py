"""One person, one number: spellings of an MSISDN become E.164 digits (`2348031234567`), and are masked.

Common spellings of a mobile number are read by SQL with `mobile_pattern`, which is made from the metadata
of phonenumbers; all others by phonenumbers itself. Both give the same (a test compares them). A spelling
that could be somebody else's number is none.
"""

import re
from dataclasses import dataclass

import phonenumbers

from leadpipe.errors import ConfigurationError
from leadpipe.text import phone_text, without_marks

_SPELLED = re.compile(r"(tel:)?[\s0-9+()./-]{5,40}", re.ASCII | re.IGNORECASE)
# What only a number that was calculated with looks like: its digits with another digit would be somebody
# else's. +234.8031234567 and 803.123.4567 are spellings of people.
_DECIMAL = re.compile(r"-.*|[^.+]*\.[^.]*|[0-9.]+e[+-]?[0-9]+", re.IGNORECASE)
# A second number after the first, or its last digits.
_ALTERNATIVE = re.compile(r".*/\s*[0-9]{1,2}")
READING = f"leadpipe 2, phonenumbers {phonenumbers.__version__}"
"""What reads numbers: another version of either may read a spelling as another number."""
_SHOWN_START, _SHOWN_END = 6, 3


@dataclass(frozen=True)
class Region:
    """A country's numbers as SQL reads them: its calling code, and spellings without blanks."""

    name: str
    country_code: str
    mobile_pattern: str


def region_named(name: str) -> Region:
    """The region of a two-letter country code.

    Raises:
        ConfigurationError: phonenumbers knows no such region.
    """
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(name)
    if metadata is None or not metadata.mobile or not metadata.mobile.national_number_pattern:
        raise ConfigurationError(
            f"LEADPIPE_PHONE_REGION={name!r} is no country code; write two letters such as NG"
        )
    mobile = metadata.mobile.national_number_pattern
    prefix = f"|{metadata.national_prefix}" if metadata.national_prefix else ""
    code = str(metadata.country_code)
    return Region(name, code, rf"(?:\+?{code}{prefix})?((?:{mobile}))")


def normal_msisdn(spelling: str, *, region: str) -> str | None:
    """The E.164 digits of a spelling, without +; None if it is no valid phone number."""
    text = phone_text(spelling)
    if text is None or not _SPELLED.fullmatch(text) or _DECIMAL.fullmatch(text):
        return None
    if _ALTERNATIVE.fullmatch(text):
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]


def is_decimal(spelling: str) -> bool:
    """Whether a spelling is that of a decimal number, such as a spreadsheet makes of a phone number."""
    return _DECIMAL.fullmatch(without_marks(spelling)) is not None


def masked(msisdn: str) -> str:
    """The number as people may see it: `234803****567`."""
    hidden = max(len(msisdn) - _SHOWN_START - _SHOWN_END, 1)
    return msisdn[:_SHOWN_START] + "*" * hidden + msisdn[_SHOWN_START + hidden :]


MASKED_SQL = (
    f"left(msisdn, {_SHOWN_START}) || "
    f"repeat('*', greatest(length(msisdn) - {_SHOWN_START + _SHOWN_END}, 1)) || "
    f"substr(msisdn, greatest(length(msisdn) - {_SHOWN_END - 1}, {_SHOWN_START + 2}))"
)
