"""What an interaction is: its fields, the lists of values, and how an event becomes one.

Belongs here: the schema that events and files share. Does not belong here: where either comes from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from leadpipe.events.mapping.model import CONTACT_VALUES

LISTS: Mapping[str, tuple[str, ...]] = CONTACT_VALUES
FIELDS = (*LISTS, "notes")
REQUIRED = "contactOutcome"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DATE_LENGTH = 10


@dataclass(frozen=True, slots=True, order=True)
class Interaction:
    """One contact with a lead, without what identifies the lead.

    Attributes:
        logged_at: milliseconds since 1970 (UTC).
        content: names and values of the other fields that are not empty, in the schema's order.
    """

    logged_at: int
    content: tuple[tuple[str, str], ...]

    def fields(self) -> tuple[tuple[str, str], ...]:
        """All fields as a file has them, `loggedAt` first."""
        return (("loggedAt", time_text(self.logged_at)), *self.content)

    def get(self, name: str) -> str:
        """A field's value, empty if it has none."""
        return dict(self.content).get(name, "")


def parse_time(value: object) -> int | None:
    """An ISO 8601 time with any offset as milliseconds since 1970, or None if it is no time.

    Without an offset it is UTC. What is finer than a millisecond is cut off, as JavaScript does.
    """
    if not isinstance(value, str) or value[4:5] != "-" or value[_DATE_LENGTH:11] not in ("T", " "):
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment.astimezone(UTC) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        return None


def time_text(milliseconds: int) -> str:
    """UTC with millisecond precision: `2026-11-20T14:03:05.120Z`."""
    moment = _EPOCH + milliseconds * _MILLISECOND
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def parse_interaction(properties: Mapping[str, object]) -> Interaction | str:
    """The interaction that an event's properties tell of, or the reason why they tell of none.

    Empty optional fields (missing, null, blank) are left out; notes are trimmed. A reason names the
    field and what it may be, never the value: that may be personal.
    """
    if properties.get("loggedAt") is None:
        return "loggedAt is missing"
    logged_at = parse_time(properties["loggedAt"])
    if logged_at is None:
        return "loggedAt is not an ISO 8601 time"
    content: list[tuple[str, str]] = []
    for name, allowed in LISTS.items():
        value = properties.get(name)
        if value is None or value == "":
            if name == REQUIRED:
                return f"{name} is missing"
        elif not isinstance(value, str) or value not in allowed:
            return f"{name} is none of {', '.join(allowed)}"
        else:
            content.append((name, value))
    notes = properties.get("notes")
    if notes is not None and not isinstance(notes, str):
        return "notes is not a text"
    if notes and (trimmed := notes.strip()):
        content.append(("notes", trimmed))
    return Interaction(logged_at, tuple(content))


def content_of(entry: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """The content of an interaction in a file, however a person left it, to compare it with an event's."""
    content: list[tuple[str, str]] = []
    for name in FIELDS:
        value = entry.get(name)
        if isinstance(value, str) and (text := value.strip()):
            content.append((name, text))
    return tuple(content)
