"""One lead: its fields, its key, and why it cannot be delivered as it is.

Pure: a mapping in, a lead and its problem out.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import phonenumbers

from leadpipe.text import phone_text, whole, whole_values

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
_ZIP = re.compile(r"\d{5}(-?\d{4})?")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
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
        return json.dumps(self.data, ensure_ascii=False, sort_keys=False)


def read_lead(properties: Mapping[str, Any], *, fallback_id: str, region: str) -> Lead:
    """A lead from an event's properties or a hand-over's object.

    Args:
        properties: as given; PostHog's own (`$…`) are left out.
        fallback_id: identifies the lead when it names no session: an event's uuid.
        region: the country of phone numbers without a country code (`US`).
    """
    session_id = _text(properties.get("session_id"))
    channel = _text(properties.get("channel"))
    data = {
        whole(str(name)): whole_values(value)
        for name, value in properties.items()
        if not str(name).startswith("$") and name not in _OURS
    }
    if (phone := data.get("phone")) is not None:
        data["phone"] = _phone(phone)
    identity = f"session:{session_id}" if session_id else f"lead:{fallback_id}"
    return Lead(
        key=hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32],
        channel=channel.lower()[:40] if channel else None,
        session_id=session_id[:200] if session_id else None,
        data=data,
        problem=_problem(channel, data, region),
    )


def content_id(properties: Mapping[str, Any]) -> str:
    """An identity for a lead without session or event: the same content is the same lead."""
    text = json.dumps(properties, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


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


def _problem(  # noqa: PLR0911 - a list of problems
    channel: str | None, data: Mapping[str, Any], region: str
) -> str | None:
    """Why the partner could not use the lead; names fields, never their values."""
    if not channel:
        return f"no channel; it should be {' or '.join(CHANNELS)}"
    if channel.lower() not in CHANNELS:
        return f"unknown channel {channel[:40]!r}; it should be {' or '.join(CHANNELS)}"
    for name, value in data.items():
        length = len(value if isinstance(value, str) else json.dumps(value, default=str))
        if length > LONGEST_FIELD:
            return (
                f"the field {name[:60]!r} has {length:,} characters; {LONGEST_FIELD:,} are the most"
            )
        if name in FIELDS and isinstance(value, dict | list):
            return f"the field {name!r} is no text or number"
    phone, email = _text(data.get("phone")), _text(data.get("email"))
    if not phone and not email:
        return "neither phone nor email, so nobody could be reached"
    if phone and e164(phone, region) is None:
        return f"the phone number has {len(re.sub(r'[^0-9]', '', phone))} digits and is none ({region})"
    if email and not _EMAIL.fullmatch(email):
        return "the email address is none"
    zip_code = _text(data.get("zip_code"))
    if zip_code and region == "US" and not _ZIP.fullmatch(zip_code):
        return "the zip_code is none: 5 digits, or 9"
    return None


def _text(value: object) -> str | None:
    if value is None or isinstance(value, dict | list | bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return whole(str(value)).strip() or None
