"""Read a leads file: which leads are in it, where, and what stands in the way of using it.

A file is an array of leads, or an object whose `leads` is one; whatever else it holds is not looked at.
Belongs here: structure. Does not belong here: the values of interactions (`validation.py`), changes.
"""

import codecs
import json
import re
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import msgspec

from leadpipe.interactions.spans import RepeatedKey, elements, members, skip_space
from leadpipe.text import may_have_half_emoji, mended_json

_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHUNK = 1 << 20
_ESCAPED_LETTER = re.compile(rb"(?<!\\)(?:\\\\)*\\u(?:00[89a-fA-F]|0[1-9a-fA-F]|[1-9a-fA-F])")
# U+FFFD in the spellings that nobody writes: letters large and small.
_MARKS = tuple(
    f"\\u{''.join(letters)}".encode()
    for letters in product("fF", "fF", "fF", "dD")
    if len({letter.isupper() for letter in letters}) > 1
)


class FileProblem(NamedTuple):
    """What is wrong, and where: a JSON path such as `$[3].interactions`."""

    path: str
    message: str


class Lead(NamedTuple):
    """A lead of a file: `start` and `end` are its place in the file's bytes."""

    path: str
    id: str
    program_id: str | None
    start: int
    end: int
    interactions: int


@dataclass(frozen=True)
class LeadsFile:
    """The bytes of a file and the leads in it; with problems, the leads are not to be relied on."""

    data: bytes
    leads: tuple[Lead, ...]
    problems: tuple[FileProblem, ...]

    @property
    def is_escaped(self) -> bool:
        """Whether the file writes letters beyond ASCII as `\\u00e9`, and only so."""
        is_suspect = self.data.isascii() and b"\\u" in self.data
        return is_suspect and _ESCAPED_LETTER.search(self.data) is not None


class _LeadShape(msgspec.Struct):
    id: object = msgspec.UNSET
    program_id: object = msgspec.field(name="programId", default=None)
    interactions: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_lead = msgspec.json.Decoder(_LeadShape)
_entries = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class Halves:
    r"""The halves of emoji in a file, which no JSON parser of ours takes: what a cut note leaves (`\ud83d`).

    `data` has U+FFFD in their place, as long as they are and spelled as nothing else in the file is, so that
    after additions each can be put back where it was.
    """

    data: bytes
    mark: bytes
    halves: tuple[bytes, ...]

    def put_back(self, changed: bytes) -> bytes:
        """The data after additions, with the halves where they were."""
        if not self.halves:
            return changed
        halves = iter(self.halves)
        return re.sub(re.escape(self.mark), lambda _: next(halves), changed)


def without_halves(data: bytes) -> Halves:
    """A file's bytes that can be parsed, and what was taken out of them for that."""
    if not may_have_half_emoji(data):
        return Halves(data, b"", ())
    # Not \ufffd, as our own writing has it.
    mark = next(mark for mark in _MARKS if mark not in data)
    mended = mended_json(data, mark)
    places = (found.start() for found in re.finditer(re.escape(mark), mended))
    return Halves(mended, mark, tuple(data[start : start + len(mark)] for start in places))


def read_leads(data: bytes) -> LeadsFile:
    """Find the leads in a file's bytes; never raises for what is in them."""
    found = _unreadable(data)
    if found:
        return LeadsFile(data, (), (found,))
    try:
        prefix, begin, end = _array_of_leads(data)
        raws, spans = elements(memoryview(data)[:end], begin)
    except RepeatedKey as error:
        return LeadsFile(data, (), (FileProblem("$", f"the key {error.key!r} is there twice"),))
    except (msgspec.MsgspecError, RecursionError) as error:
        return LeadsFile(data, (), (_broken(data, error),))
    except _NoLeadsError as error:
        return LeadsFile(data, (), (FileProblem("$", str(error)),))
    leads: list[Lead] = []
    problems: list[FileProblem] = []
    seen: dict[str, str] = {}
    for number, (raw, (start, stop)) in enumerate(zip(raws, spans, strict=True)):
        path = f"{prefix}[{number}]"
        lead = _read_lead(path, raw, start, stop)
        if isinstance(lead, FileProblem):
            problems.append(lead)
        elif lead.id in seen:
            problems.append(
                FileProblem(f"{path}.id", f"the id {lead.id!r} is that of {seen[lead.id]} too")
            )
        else:
            seen[lead.id] = path
            leads.append(lead)
    return LeadsFile(data, tuple(leads), tuple(problems))


class _NoLeadsError(ValueError):
    pass


def _unreadable(data: bytes) -> FileProblem | None:
    if data.startswith(_BOMS):
        return FileProblem(
            "$", "the file begins with a byte-order mark; save it as UTF-8 without one"
        )
    if not data.strip():
        return FileProblem("$", "the file is empty; a file without leads is []")
    decoder = codecs.getincrementaldecoder("utf-8")()
    position = 0
    try:
        for position in range(0, 0 if data.isascii() else len(data), _CHUNK):
            chunk = data[position : position + _CHUNK]
            decoder.decode(chunk, final=position + _CHUNK >= len(data))
    except UnicodeDecodeError as error:
        return FileProblem(
            "$", f"the file is not UTF-8 ({error.reason} near byte {position + error.start})"
        )
    return None


def _array_of_leads(data: bytes) -> tuple[str, int, int]:
    """The JSON path of the array of leads, and where it lies."""
    begin = skip_space(data, 0)
    if data[begin : begin + 1] == b"[":
        return "$", begin, len(data)
    if data[begin : begin + 1] != b"{":
        msgspec.json.decode(data, type=msgspec.Raw)
        raise _NoLeadsError("the file is neither an array of leads nor an object with leads")
    for member in members(data):
        if member.key == "leads":
            if data[member.start : member.start + 1] != b"[":
                raise _NoLeadsError("leads is not an array")
            return "$.leads", member.start, member.end
    raise _NoLeadsError("the object has no leads")


def _read_lead(path: str, raw: msgspec.Raw, start: int, end: int) -> Lead | FileProblem:
    try:
        shape = _lead.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return FileProblem(path, "this is not a lead: an object with id and interactions")
    if not isinstance(shape.id, str) or not shape.id:
        return FileProblem(f"{path}.id", "the id is missing or not a text")
    if shape.program_id is not None and not isinstance(shape.program_id, str):
        return FileProblem(f"{path}.programId", "the program's id is not a text")
    if isinstance(shape.interactions, msgspec.UnsetType):
        return FileProblem(f"{path}.interactions", "missing; a lead without contacts has []")
    try:
        entries = len(_entries.decode(shape.interactions))
    except msgspec.MsgspecError:
        return FileProblem(f"{path}.interactions", "this is not an array")
    return Lead(path, shape.id, shape.program_id, start, end, entries)


def _broken(data: bytes, error: Exception) -> FileProblem:
    """Why a file is no JSON, with line and column where Python's own parser sees it too."""
    try:
        json.loads(data, parse_int=str, parse_float=str)
    except json.JSONDecodeError as found:
        return FileProblem(
            "$", f"this is not JSON: {found.msg}, line {found.lineno}, column {found.colno}"
        )
    except (RecursionError, ValueError):
        pass
    return FileProblem("$", f"this JSON cannot be read: {error}")
