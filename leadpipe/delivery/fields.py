"""Our names of a lead's fields and the partner's, in both directions."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from leadpipe.delivery.lead import FIELDS
from leadpipe.errors import ConfigurationError

KEY_FIELD = "external_id"
SENT_FIELDS = (*FIELDS, "channel", "session_id", KEY_FIELD)
_PATH = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def checked_fields(text: str) -> dict[str, str]:
    """A mapping as a person writes it, `full_name=contact.name,phone=contact.phone`; the rest keeps its name.

    A field without a path (`session_id=`) is not sent.

    Raises:
        ConfigurationError: an unknown field, a path that is none, or two fields that cannot both be there.
    """
    fields = {name: name for name in SENT_FIELDS}
    given: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, path = (piece.strip() for piece in part.partition("="))
        if name not in fields or not equals or (path and not _PATH.fullmatch(path)):
            raise ConfigurationError(
                f"NPA_FIELDS: {part!r} cannot be used. Write field=path.in.the.body with the fields "
                f"{', '.join(SENT_FIELDS)}, separated by commas."
            )
        if given.setdefault(name, path) != path:
            raise ConfigurationError(
                f"NPA_FIELDS: {name}={given[name]} and {name}={path} contradict each other; keep one."
            )
        fields[name] = path
    _check_places(fields)
    return fields


def _check_places(fields: Mapping[str, str]) -> None:
    """Refuse two fields in one place, and a field inside another: the body can hold only one of them."""
    places = sorted((path.split("."), name) for name, path in fields.items() if path)
    for (above, first), (below, second) in pairwise(places):
        if below[: len(above)] == above:
            raise ConfigurationError(
                f"NPA_FIELDS: {first}={'.'.join(above)} and {second}={'.'.join(below)} contradict each "
                f"other; give one of them another path, or none to leave it out ({second}=)."
            )


def to_partner(values: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """The body that the partner gets; what a lead does not have is not in it."""
    body: dict[str, Any] = {}
    for name, path in fields.items():
        value = _plain(values.get(name))
        if not path or value is None or value == "":
            continue
        place = body
        *folders, last = path.split(".")
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return body


def sent_fields(fields: Mapping[str, str]) -> frozenset[str]:
    """The fields that the partner gets."""
    return frozenset(name for name, path in fields.items() if path)


def _plain(value: Any) -> Any:  # noqa: ANN401 - a value of any JSON type
    """A value as it was checked: without blanks around it, and 10001 where a float says 10001.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value.strip() if isinstance(value, str) else value


def from_partner(item: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, str]:
    """A lead of the partner's list under our names, as texts."""
    values: dict[str, str] = {}
    for name, path in fields.items():
        found: Any = item
        for step in filter(None, path.split(".")):
            found = found.get(step) if isinstance(found, dict) else None
        if path and found is not None and not isinstance(found, dict | list) and str(found).strip():
            values[name] = str(found).strip()
    return values
