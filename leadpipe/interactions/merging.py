"""Merge contacts into the bytes of a leads file: what is added, what is there, what belongs nowhere.

Only `interactions` arrays change, and of those only the places where something is put in. The same
events give the same bytes, in whatever order and however often they are merged.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import msgspec

from leadpipe.errors import LeadsFileError
from leadpipe.interactions.layout import (
    ArrayModel,
    ObjectLayout,
    filled,
    inserted,
    layout_of,
    model_of,
)
from leadpipe.interactions.leads_file import Lead, LeadsFile
from leadpipe.interactions.matching import missing
from leadpipe.interactions.schema import Interaction, content_of, parse_time
from leadpipe.interactions.spans import RepeatedKey, members

_objects = msgspec.json.Decoder(list[Any])


@dataclass(frozen=True, slots=True, order=True)
class Contact:
    """An event whose properties tell of an interaction."""

    uuid: str
    lead_id: str
    program_id: str
    interaction: Interaction


@dataclass(frozen=True, slots=True, order=True)
class Addition:
    """An interaction that was put in."""

    lead_id: str
    interaction: Interaction
    uuid: str


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """An event that was not merged; `result` is unmatched or rejected."""

    uuid: str
    result: str
    lead_id: str
    reason: str


@dataclass(frozen=True)
class Merged:
    """The file's new bytes and what became of each event."""

    data: bytes
    additions: tuple[Addition, ...]
    already_there: int
    problems: tuple[Problem, ...]


def merge(file: LeadsFile, contacts: Iterable[Contact]) -> Merged:
    """Put in the contacts that the file does not tell of yet.

    Raises:
        LeadsFileError: a lead that has events also has an interaction that cannot be read.
    """
    leads = {lead.id: lead for lead in file.leads}
    problems: list[Problem] = []
    by_lead: defaultdict[str, list[Contact]] = defaultdict(list)
    for contact in contacts:
        reason = _unmatched(leads.get(contact.lead_id), contact)
        if reason:
            problems.append(Problem(contact.uuid, "unmatched", contact.lead_id, reason))
        else:
            by_lead[contact.lead_id].append(contact)
    additions: list[Addition] = []
    already_there = 0
    pieces: list[bytes | memoryview] = []
    position = 0
    view = memoryview(file.data)
    writer = _Writer(file)
    for lead in sorted((leads[lead_id] for lead_id in by_lead), key=lambda lead: lead.start):
        new, text = writer.merge_lead(lead, by_lead[lead.id])
        already_there += len(by_lead[lead.id]) - len(new)
        if not new:
            continue
        additions += new
        pieces += [view[position : lead.start], text]
        position = lead.end
    data = b"".join([*pieces, view[position:]]) if pieces else file.data
    return Merged(data, tuple(additions), already_there, tuple(sorted(problems)))


def _unmatched(lead: Lead | None, contact: Contact) -> str | None:
    if lead is None:
        return "no lead of the file has this leadId"
    if lead.program_id is not None and lead.program_id != contact.program_id:
        return "the lead belongs to another program"
    return None


class _Writer:
    """Writes leads of one file; looks for a model array once, when an empty array needs one."""

    def __init__(self, file: LeadsFile) -> None:
        self._file = file
        self._is_escaped = file.is_escaped
        self._model: ArrayModel | None = None
        self._has_looked = False

    def merge_lead(self, lead: Lead, contacts: Sequence[Contact]) -> tuple[list[Addition], bytes]:
        text = self._file.data[lead.start : lead.end]
        try:
            parts = members(text)
        except RepeatedKey as error:
            raise LeadsFileError(f"{lead.path}: the key {error.key!r} is there twice") from None
        place = next(part for part in parts if part.key == "interactions")
        array = text[place.start : place.end]
        existing = _existing(lead, array)
        uuids = {contact.interaction: contact.uuid for contact in sorted(contacts, reverse=True)}
        new = missing(existing, uuids)
        if not new:
            return [], text
        if existing:
            changed = inserted(array, _places(existing, new), is_escaped=self._is_escaped)
        else:
            layout = layout_of(text, parts)
            model = self._model_for(layout)
            changed = filled(new, layout, model, is_escaped=self._is_escaped)
        additions = [Addition(lead.id, interaction, uuids[interaction]) for interaction in new]
        return additions, text[: place.start] + changed + text[place.end :]

    def _model_for(self, layout: ObjectLayout) -> ArrayModel | None:
        if layout.is_broken and not self._has_looked:
            self._has_looked = True
            self._model = self._first_model()
        return self._model if layout.is_broken else None

    def _first_model(self) -> ArrayModel | None:
        """The first filled array of a lead over several lines: the one any sync would find first."""
        for lead in self._file.leads:
            if not lead.interactions:
                continue
            text = self._file.data[lead.start : lead.end]
            try:
                parts = members(text)
                if layout_of(text, parts).is_broken:
                    place = next(part for part in parts if part.key == "interactions")
                    return model_of(text[place.start : place.end])
            except (RepeatedKey, msgspec.MsgspecError, IndexError, ValueError):
                continue  # nothing to imitate; no reason to refuse, as no sync touches this lead
        return None


def _existing(lead: Lead, array: bytes) -> list[Interaction]:
    """The interactions that a file has, in its order."""
    try:
        entries = _objects.decode(array)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise LeadsFileError(f"{lead.path}.interactions cannot be read: {error}") from None
    found: list[Interaction] = []
    for number, entry in enumerate(entries):
        path = f"{lead.path}.interactions[{number}]"
        if not isinstance(entry, dict):
            raise LeadsFileError(f"{path} is not an interaction: an object with loggedAt")
        logged_at = parse_time(entry.get("loggedAt"))
        if logged_at is None:
            raise LeadsFileError(f"{path}.loggedAt is missing or not an ISO 8601 time")
        found.append(Interaction(logged_at, content_of(entry)))
    return found


def _places(
    existing: Sequence[Interaction], new: Sequence[Interaction]
) -> list[tuple[int, list[Interaction]]]:
    """Where new interactions go: in time order, newest first where the array already is that way.

    In an array in no order, before the first that is later.
    """
    times = [interaction.logged_at for interaction in existing]
    is_newest_first = times != sorted(times) and times == sorted(times, reverse=True)
    places: defaultdict[int, list[Interaction]] = defaultdict(list)
    if is_newest_first:
        least = list(accumulate(existing, min))[::-1]
        for interaction in sorted(new, reverse=True):
            places[len(least) - bisect_left(least, interaction)].append(interaction)
    else:
        greatest = list(accumulate(existing, max))
        for interaction in sorted(new):
            places[bisect_right(greatest, interaction)].append(interaction)
    return sorted(places.items())
