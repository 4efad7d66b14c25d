"""Personal data, covered: what people and logs see unless somebody asks for the whole."""

import re
from collections.abc import Mapping

PERSONAL_FIELDS = ("full_name", "phone", "email", "zip_code")
_SHORTEST = 3
_PHONE_ENDS = 4
_DIGITS = re.compile(r"\d")


def mask(field: str, value: object) -> str | None:
    """A value with enough left to tell two apart: `+1555***4567`, `a***@example.org`, `J*** D***`."""
    if value is None or not str(value).strip():
        return None
    text = str(value).strip()
    if field == "phone":
        digits = "".join(_DIGITS.findall(text))
        return f"***{digits[-_PHONE_ENDS:]}" if len(digits) > _PHONE_ENDS + 2 else "***"
    if field == "email":
        name, at, domain = text.partition("@")
        return f"{name[:1]}***{at}{domain[:40]}" if at else "***"
    if field == "full_name":
        return " ".join(f"{word[0]}***" for word in text.split()[:4])
    if field == "zip_code":
        return f"{text[:2]}***"
    return text


def masked(lead: Mapping[str, object]) -> dict[str, object]:
    """A lead's fields, the personal ones covered; what is not known to be harmless is left out."""
    harmless = ("vehicle_make", "vehicle_model", "vehicle_year")
    return {
        field: mask(field, value) if field in PERSONAL_FIELDS else str(value)[:60]
        for field, value in lead.items()
        if field in PERSONAL_FIELDS or field in harmless
    }


def scrubbed(text: str, lead: Mapping[str, object]) -> str:
    """A text without the lead's personal values: a partner's error often repeats what it was sent."""
    for field in PERSONAL_FIELDS:
        value = str(lead.get(field) or "").strip()
        if len(value) < _SHORTEST:
            continue
        parts = {value, value.lstrip("+"), *(w for w in value.split() if len(w) >= _SHORTEST)}
        for part in sorted(parts, key=len, reverse=True):
            text = re.sub(re.escape(part), f"[{field}]", text, flags=re.IGNORECASE)
        if field == "phone":
            digits = "".join(_DIGITS.findall(value))
            if len(digits) > _PHONE_ENDS:
                text = re.sub(r"[\s().-]*".join(digits[-10:]), "[phone]", text)
    return text
