"""Everything that is wrong with a leads file, by JSON path.

Belongs here: the rules for the values in interactions. What a file must be at all is in `leads_file.py`.
No message shows a value: it may be personal.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from leadpipe.interactions.leads_file import FileProblem, Lead, read_leads, without_halves
from leadpipe.interactions.schema import LISTS, REQUIRED, parse_time
from leadpipe.interactions.spans import RepeatedKey, members

_entries = msgspec.json.Decoder(list[msgspec.Raw])
_entry = msgspec.json.Decoder(dict[str, Any])


def validate(data: bytes) -> list[FileProblem]:
    """What is wrong with a file's bytes, in the order of the file; nothing if it is empty."""
    data = without_halves(data).data
    file = read_leads(data)
    found = list(file.problems)
    for lead in file.leads:
        found += _problems_of(lead, data[lead.start : lead.end])
    return sorted(found, key=_in_order)


def _in_order(problem: FileProblem) -> list[tuple[int, str]]:
    """Sorts `$[10]` after `$[9]`."""
    parts = problem.path.replace("]", "").replace(".", "[").split("[")
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _problems_of(lead: Lead, text: bytes) -> Iterator[FileProblem]:
    try:
        parts = {part.key: part for part in members(text)}
    except RepeatedKey as error:
        yield FileProblem(lead.path, f"the key {error.key!r} is there twice")
        return
    place = parts["interactions"]
    for number, raw in enumerate(_entries.decode(text[place.start : place.end])):
        path = f"{lead.path}.interactions[{number}]"
        try:
            members(bytes(raw))
            entry = _entry.decode(raw)
        except RepeatedKey as error:
            yield FileProblem(path, f"the key {error.key!r} is there twice")
        except (msgspec.MsgspecError, RecursionError):
            yield FileProblem(path, "this is not an interaction: an object with loggedAt")
        else:
            yield from _problems_in(path, entry)


def _problems_in(path: str, entry: Mapping[str, object]) -> Iterator[FileProblem]:
    if "loggedAt" not in entry:
        yield FileProblem(f"{path}.loggedAt", "missing")
    elif parse_time(entry["loggedAt"]) is None:
        yield FileProblem(f"{path}.loggedAt", "not an ISO 8601 time")
    for name, allowed in LISTS.items():
        if name not in entry:
            if name == REQUIRED:
                yield FileProblem(f"{path}.{name}", "missing")
        elif entry[name] not in allowed:
            yield FileProblem(f"{path}.{name}", f"none of {', '.join(allowed)}")
    if "notes" in entry and not isinstance(entry["notes"], str):
        yield FileProblem(f"{path}.notes", "not a text")
