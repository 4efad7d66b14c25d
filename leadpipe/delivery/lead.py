"""One lead: its fields, its key, and why it cannot be delivered as it is.

Pure: a mapping in, a lead and its problem out.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import phonenumbers

from leadpipe.delivery.reading import UnreadableJson, decoded, written
from leadpipe.text import phone_text, whole, without_marks

CHANNELS = ("sms", "voice")
FIELDS = (
    "full_name",
    "phone",
    "email",
    "zip_code",
    "vehicle_make",
    "vehicle_model",
    "vehicle_year",
)
LONGEST_FIELD = 1_000
_LONGEST_UNREADABLE = 2_000
_ZIPS = {
    "US": (re.compile(r"[0-9]{5}(-?[0-9]{4})?"), "5 digits, or 9"),
    "CA": (re.compile(r"[A-Za-z][0-9][A-Za-z][ -]?[0-9][A-Za-z][0-9]"), "as in K1A 0B1"),
}
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_WORD = re.compile(r"[A-Za-z_-]{1,20}")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_OURS = ("channel", "session_id")


@dataclass(frozen=True)
class Lead:
    """A lead as it came in.

    Args:
        key: the idempotency key: the same for every copy of the lead.
        channel: sms or voice; whatever was given, if it is another.
        session_id: of the conversation; None if a direct hand-over has none.
        data: everything else that was given, by name.
        problem: why it cannot be delivered as it is; None if it can.
    """

    key: str
    channel: str | None
    session_id: str | None
    data: Mapping[str, Any] = field(repr=False)
    problem: str | None = None

    @property
    def data_json(self) -> str:
        """The data as JSON text."""
        return written(self.data)


def read_lead(
    properties: Mapping[str, Any],
    *,
    fallback_id: str,
    region: str,
    sent: Collection[str] = FIELDS,
) -> Lead:
    """A lead from an event's properties or a hand-over's object; the same verdict for the same values.

    Args:
        properties: as given; PostHog's own (`$…`) are left out.
        fallback_id: identifies the lead when it names no session: an event's uuid.
        region: the country of phone numbers without a country code (`US`).
        sent: the fields that the partner gets; what it does not get makes no lead invalid.
    """
    try:
        properties = decoded(json.dumps(dict(properties), default=str))
    except (UnreadableJson, RecursionError, ValueError) as error:
        reason = str(error) if isinstance(error, UnreadableJson) else "it is nested too deeply"
        return unreadable_lead("", reason, fallback_id=fallback_id)
    session_id = _text(properties.get("session_id"))
    channel = _text(properties.get("channel"))
    data = {
        name: value
        for name, value in properties.items()
        if not name.startswith("$") and name not in _OURS
    }
    if (phone := data.get("phone")) is not None:
        data["phone"] = _phone(phone)
    identity = f"session:{session_id}" if session_id else f"lead:{fallback_id}"
    return Lead(
        key=_key(identity),
        channel=channel.lower()[:40] if channel else None,
        session_id=session_id[:200] if session_id else None,
        data=data,
        problem=_problem(channel, data, region, sent),
    )


def unreadable_lead(text: str, reason: str, *, fallback_id: str) -> Lead:
    """What stands for a lead that cannot be read: set aside with its reason, its text kept."""
    kept = written(text)[1:-1][:_LONGEST_UNREADABLE]
    return Lead(
        key=_key(f"lead:{fallback_id}"),
        channel=None,
        session_id=None,
        data={"unreadable": kept},
        problem=f"it cannot be read: {reason}",
    )


def content_id(properties: Mapping[str, Any]) -> str:
    """An identity for a lead without session or event: the same content is the same lead."""
    try:
        text = json.dumps(properties, sort_keys=True, ensure_ascii=True, default=str)
    except (RecursionError, TypeError, ValueError):
        text = f"unreadable:{','.join(sorted(map(str, properties)))}"
    return hashlib.sha256(text.encode()).hexdigest()


def text_id(text: str) -> str:
    """An identity for what cannot be read as a lead."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _key(identity: str) -> str:
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _phone(given: object) -> object:
    """The phone as given, unless it has marks nobody sees or became a float on its way."""
    text = phone_text(str(given)) if isinstance(given, str | float) else None
    return given if text is None or text == str(given).strip() else text


def e164(phone: object, region: str) -> str | None:
    """A phone number as `+15551234567`; None if it can be none."""
    try:
        number = phonenumbers.parse(phone_text(str(phone or "")) or "", region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def spellings(phone: object, region: str) -> list[str]:
    """Every way in which a partner may keep a phone number, as given first; each once."""
    given = _text(phone)
    if given is None:
        return []
    found = [given, given.replace(" ", "")]
    try:
        number = phonenumbers.parse(phone_text(given) or "", region)
    except phonenumbers.NumberParseException:
        return list(dict.fromkeys(found))
    formats = phonenumbers.PhoneNumberFormat
    whole_number = phonenumbers.format_number(number, formats.E164)
    national = phonenumbers.format_number(number, formats.NATIONAL)
    found += [
        whole_number,
        whole_number[1:],
        phonenumbers.national_significant_number(number),
        re.sub(r"[^0-9]", "", national),
        national,
        phonenumbers.format_number(number, formats.INTERNATIONAL),
    ]
    return list(dict.fromkeys(found))


def normal_phone(phone: object, region: str) -> str | None:
    """A phone number as lists of others have it, in E.164: also without its plus sign, if it is one then."""
    text = phone_text(str(phone or "")) or ""
    found = e164(text, region)
    digits = re.sub(r"[^0-9]", "", text)
    if (found is None or not _is_valid(found)) and not text.strip().startswith("+"):
        with_plus = e164(f"+{digits}", region) if digits else None
        if with_plus is not None and _is_valid(with_plus):
            return with_plus
    return found


def normal_email(email: object) -> str | None:
    """An email address as it is compared; None if there is none."""
    text = without_marks(str(email or "")).casefold()
    return text or None


def _is_valid(number: str) -> bool:
    return phonenumbers.is_valid_number(phonenumbers.parse(number))


def _problem(
    channel: str | None, data: Mapping[str, Any], region: str, sent: Collection[str]
) -> str | None:
    """Why the partner could not use the lead; names fields, never their values."""
    if not channel:
        return f"no channel; it should be {' or '.join(CHANNELS)}"
    if channel.lower() not in CHANNELS:
        named = f" {channel!r}" if _WORD.fullmatch(channel) else ""
        return f"unknown channel{named}; it should be {' or '.join(CHANNELS)}"
    for name in FIELDS:
        value = data.get(name)
        if name not in sent or value is None:
            continue
        if isinstance(value, dict | list | bool):
            return f"the field {name!r} is no text or number"
        if len(str(value)) > LONGEST_FIELD:
            return (
                f"the field {name!r} has {len(str(value)):,} characters; "
                f"{LONGEST_FIELD:,} are the most"
            )
    return _problem_of_reach(data, region, sent) or _problem_of_zip(data, region, sent)


def _problem_of_reach(data: Mapping[str, Any], region: str, sent: Collection[str]) -> str | None:
    phone = _text(data.get("phone")) if "phone" in sent else None
    email = _text(data.get("email")) if "email" in sent else None
    if not phone and not email:
        return "neither phone nor email, so nobody could be reached"
    country = _country(data, region)
    if phone and e164(phone, country) is None:
        return f"the phone number has {len(re.sub(r'[^0-9]', '', phone))} digits and is none ({country})"
    if email and not _EMAIL.fullmatch(email):
        return "the email address is none"
    return None


def _problem_of_zip(data: Mapping[str, Any], region: str, sent: Collection[str]) -> str | None:
    zip_code = _text(data.get("zip_code")) if "zip_code" in sent else None
    if not zip_code:
        return None
    countries = [_country(data, region)]
    if "country" not in data and (own := _phone_country(data.get("phone"), region)):
        countries.append(own)  # a person with a number of another country may live in either
    if any(country not in _ZIPS or _ZIPS[country][0].fullmatch(zip_code) for country in countries):
        return None
    return f"the zip_code is none: {_ZIPS[countries[0]][1]}"


def _country(data: Mapping[str, Any], region: str) -> str:
    """The lead's country: as it says, else the setting's."""
    said = _text(data.get("country"))
    if said and _COUNTRY.fullmatch(said) and said.upper() in phonenumbers.SUPPORTED_REGIONS:
        return said.upper()
    return region


def _phone_country(phone: object, region: str) -> str | None:
    try:
        number = phonenumbers.parse(phone_text(str(phone or "")) or "", region)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.region_code_for_number(number)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, dict | list | bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return whole(str(value)).strip() or None
