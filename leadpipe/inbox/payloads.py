"""What a webhook's body says: events as the one door takes them, or why they are none.

Pure: a body in, events and problems out. Accepts PostHog's default body (`{"event": {…}, "person": {…}}`),
an event by itself (`{"event": "$pageview", "uuid": …}`), lists of either, and `{"batch": […]}`.
"""

import re
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import msgspec

from leadpipe.errors import ConfigurationError, LeadpipeError
from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.reading import built_in
from leadpipe.text import mended_json

_AHEAD = timedelta(days=1)
_LONGEST_NAME = 200
_LONGEST_ID = 400
_MOST_EVENTS = 10_000
_BATCHES = ("batch", "events")
# Beginnings of JSON that is not UTF-8: with a mark of its byte order, or a bracket of two bytes.
_OTHER_TEXT = (
    *((start, "utf-16") for start in (b"\xff\xfe", b"\xfe\xff")),
    *((start, "utf-16-le") for start in (b"{\0", b"[\0")),
    *((start, "utf-16-be") for start in (b"\0{", b"\0[")),
)
_PATH = re.compile(r"[^\s=,.]+(\.[^\s=,.]+)*")

FIELDS: Mapping[str, str] = {
    "uuid": "event.uuid",
    "event": "event.event",
    "timestamp": "event.timestamp",
    "distinct_id": "event.distinct_id",
    "properties": "event.properties",
    "person_id": "person.id",
}
"""Where PostHog's default body has what an event needs."""

_FLAT_FIELDS: Mapping[str, str] = {
    **{name: name for name in FIELDS if name != "person_id"},
    "person_id": "person.id",
}


class UnreadableBody(LeadpipeError):  # noqa: N818 - says what is the case
    """A body that is not JSON, or JSON that can hold no events; `problem` keeps it as it was."""

    def __init__(self, reason: str, body: bytes) -> None:
        super().__init__(reason)
        self.problem = Problem(reason, shown(body))


@dataclass(frozen=True)
class Delivery:
    """An event that a webhook delivered, as `ingest` takes it.

    Args:
        uuid: of the event, in lower case.
        event: its name.
        day: of its timestamp (UTC).
        person_id: None if the body named none.
        distinct_id: None if the body named none.
        wire: one line of JSON: [uuid, event, timestamp, null, distinct_id, person_id, properties].
    """

    uuid: str
    event: str
    day: date
    person_id: str | None
    distinct_id: str | None
    wire: str


@dataclass(frozen=True)
class Problem:
    """Something in a body that is no usable event; `content` is its JSON, or the body that is none."""

    reason: str
    content: str


@dataclass(frozen=True)
class Payload:
    """What a body held; `ignored` events have names that leadpipe does not read."""

    deliveries: tuple[Delivery, ...] = ()
    problems: tuple[Problem, ...] = ()
    ignored: int = 0


@dataclass(frozen=True)
class Reader:
    """Reads bodies by a field mapping.

    Args:
        wanted: names of the events to keep; others are ignored.
        first_day: earlier events are refused, as no sync would read them.
        fields: a dotted path for each of `FIELDS`, where the body is not PostHog's default.
        mapping: of which events only some properties are kept.
    """

    wanted: Collection[str]
    first_day: date
    fields: Mapping[str, str] = field(default_factory=lambda: FIELDS)
    mapping: EventMapping = field(default_factory=built_in)

    def read(self, body: bytes, *, now: datetime) -> Payload:
        """The events of a body.

        Raises:
            UnreadableBody: it is no JSON, or neither an object nor a list of objects.
        """
        try:
            content = msgspec.json.decode(mended_json(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnreadableBody(f"the body is not JSON: {error}", body) from None
        items = _items(content)
        if items is None:
            raise UnreadableBody("the body should be a JSON object or a list of them", body)
        if len(items) > _MOST_EVENTS:
            raise UnreadableBody(
                f"{len(items)} events in one body; {_MOST_EVENTS} are the most", body
            )
        deliveries: list[Delivery] = []
        problems: list[Problem] = []
        ignored = 0
        for item in items:
            try:
                delivery = self._delivery(item, now)
            except _Unusable as reason:
                problems.append(Problem(str(reason), msgspec.json.encode(item).decode()))
                continue
            if delivery is None:
                ignored += 1
            else:
                deliveries.append(delivery)
        return Payload(tuple(deliveries), tuple(problems), ignored)

    def _delivery(self, item: object, now: datetime) -> Delivery | None:
        if not isinstance(item, dict):
            raise _Unusable("no event, as it is no JSON object")
        fields = self.fields
        if fields is FIELDS and not isinstance(item.get("event"), dict):
            fields = _FLAT_FIELDS
        event = _text(item, fields, "event", _LONGEST_NAME)
        if not event:
            raise _Unusable(f"no event name at {fields['event']}")
        if event not in self.wanted:
            return None
        event_uuid = _uuid(_found(item, fields["uuid"]), fields["uuid"])
        timestamp = self._timestamp(item, fields, now)
        distinct_id = _text(item, fields, "distinct_id", _LONGEST_ID)
        person_id = _text(item, fields, "person_id", _LONGEST_ID)
        kept = self.mapping.narrow_properties if event in self.mapping.narrow_events else None
        properties = _properties(_found(item, fields["properties"]), fields["properties"], kept)
        moment = timestamp.isoformat(timespec="microseconds")
        wire = [event_uuid, event, moment, None, distinct_id, person_id, properties]
        return Delivery(
            event_uuid,
            event,
            timestamp.date(),
            person_id,
            distinct_id,
            msgspec.json.encode(wire).decode(),
        )

    def _timestamp(self, item: object, fields: Mapping[str, str], now: datetime) -> datetime:
        found = _found(item, fields["timestamp"])
        try:
            timestamp = datetime.fromisoformat(found) if isinstance(found, str) else None
        except ValueError:
            timestamp = None
        if timestamp is None:
            raise _Unusable(f"no readable time at {fields['timestamp']} (ISO 8601 is expected)")
        try:
            timestamp = (
                timestamp.astimezone(UTC) if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
            )
        except OverflowError:
            raise _Unusable("a time outside all calendars") from None
        if timestamp > now + _AHEAD:
            raise _Unusable(
                f"{timestamp:%Y-%m-%d %H:%M} is more than a day ahead of the clock here"
            )
        if timestamp.date() < self.first_day:
            raise _Unusable(
                f"{timestamp:%Y-%m-%d} is before the first day loaded, {self.first_day}"
            )
        return timestamp


def shown(body: bytes) -> str:
    """A body as a person can read it: UTF-8 or UTF-16, what is neither as `\\xff`."""
    if encoding := next((each for start, each in _OTHER_TEXT if body.startswith(start)), None):
        with suppress(UnicodeDecodeError):
            if text := body.decode(encoding):
                return text
    return body.decode(errors="backslashreplace")


def checked_fields(text: str) -> Mapping[str, str]:
    """A field mapping as a person writes it: `uuid=id,person_id=who.uuid`; the rest is PostHog's.

    Raises:
        ConfigurationError: an unknown field, or a path that is none.
    """
    fields = dict(FIELDS)
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, path = (piece.strip() for piece in part.partition("="))
        if name not in fields or not _PATH.fullmatch(path):
            raise ConfigurationError(
                f"LEADPIPE_WEBHOOK_FIELDS: {part!r} cannot be used. Write field=path.in.the.body with "
                f"the fields {', '.join(FIELDS)}, separated by commas."
            )
        fields[name] = path
    return FIELDS if fields == FIELDS else fields


class _Unusable(Exception):  # noqa: N818 - never leaves this module
    """Why an item is no usable event."""


def _items(content: object) -> list[object] | None:
    if isinstance(content, dict):
        for name in _BATCHES:
            if isinstance(batch := content.get(name), list):
                return batch
        return [content]
    return content if isinstance(content, list) else None


def _found(item: object, path: str) -> object:
    for name in path.split("."):
        if not isinstance(item, dict):
            return None
        item = item.get(name)
    return item


def _text(item: object, fields: Mapping[str, str], name: str, longest: int) -> str | None:
    found = _found(item, fields[name])
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        raise _Unusable(f"{fields[name]} should be a text")
    text = str(found).replace("\0", "")
    if len(text) > longest:
        raise _Unusable(f"{fields[name]} is longer than {longest} characters")
    return text or None


def _uuid(found: object, path: str) -> str:
    with suppress(ValueError):
        if isinstance(found, str):
            return str(uuid.UUID(found))
    raise _Unusable(f"no UUID at {path}")


def _properties(found: object, path: str, kept: Collection[str] | None) -> str:
    if isinstance(found, str):  # a template may send them as text
        try:
            found = msgspec.json.decode(mended_json(found.encode()))
        except (msgspec.DecodeError, RecursionError):
            found = found or None
    if found is None:
        return "{}"
    if not isinstance(found, dict):
        raise _Unusable(f"{path} should be an object")
    if kept is not None:
        found = {name: found[name] for name in kept if name in found}
    return msgspec.json.encode(found).decode()
