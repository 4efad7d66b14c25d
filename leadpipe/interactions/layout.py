"""Write interactions the way the file around them is written: indentation, colons, line ends, escapes.

Belongs here: the text of an interaction and where it is put in. Does not belong here: which one is.

What is imitated must not change by what is inserted, or a second sync would write otherwise than the
first. So a filled array is its own model, by its first element; an empty one follows its lead, whose own
layout no sync touches.
"""

import json
from dataclasses import dataclass

from leadpipe.interactions.schema import Interaction
from leadpipe.interactions.spans import Member, elements, members

_escaped = json.JSONEncoder(ensure_ascii=True).encode
_plain = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True)
class ObjectLayout:
    """The texts between the parts of an object: after {, around the colon, between members, before }."""

    opening: str
    colon: str
    comma: str
    closing: str

    @property
    def is_broken(self) -> bool:
        """Whether the object goes over several lines."""
        return "\n" in self.opening

    @property
    def inline_comma(self) -> str:
        """A comma within a line: with a space where colons have one."""
        return ", " if self.colon.endswith(" ") else ","


@dataclass(frozen=True)
class ArrayModel:
    """How a filled array of a lead over several lines looks: broken lines, and its first element."""

    is_broken: bool
    element: ObjectLayout


def layout_of(text: bytes, parts: list[Member]) -> ObjectLayout:
    """The layout of an object with at least one member."""
    first, *others = parts
    opening = _between(text, 1, first.key_start)
    closing = _between(text, parts[-1].end, len(text) - 1)
    colon = _between(text, first.key_end, first.start)
    if others:
        comma = _between(text, first.end, others[0].key_start)
    elif "\n" in opening:
        comma = "," + opening
    else:
        comma = ", " if colon.endswith(" ") else ","
    return ObjectLayout(opening, colon, comma, closing)


def model_of(array: bytes) -> ArrayModel:
    """How a filled array looks."""
    _, spans = elements(array)
    start, end = spans[0]
    first = array[start:end]
    return ArrayModel("\n" in _between(array, 1, start), layout_of(first, members(first)))


def written(interaction: Interaction, layout: ObjectLayout, *, is_escaped: bool) -> str:
    """An interaction as JSON in a layout."""
    quoted = _escaped if is_escaped else _plain
    parts = [f'"{name}"{layout.colon}{quoted(value)}' for name, value in interaction.fields()]
    return "{" + layout.opening + layout.comma.join(parts) + layout.closing + "}"


def filled(
    interactions: list[Interaction],
    lead: ObjectLayout,
    model: ArrayModel | None,
    *,
    is_escaped: bool,
) -> bytes:
    """A whole array in place of an empty one.

    Args:
        interactions: in the order they are to have; at least one.
        lead: the layout of the lead it belongs to.
        model: a filled array of the same file, of a lead over several lines like this one; without
            one, each field has a line.
        is_escaped: write letters beyond ASCII as `\\u00e9`.
    """
    layout = ObjectLayout("", lead.colon, lead.inline_comma, "")
    before = after = ""
    if lead.is_broken:
        line_end = "\r\n" if "\r\n" in lead.opening else "\n"
        outer = lead.opening.rpartition("\n")[2]
        closing = lead.closing.rpartition("\n")[2]
        unit = outer.removeprefix(closing) if outer.startswith(closing) else outer
        is_broken = model is None or model.is_broken
        before = line_end + outer + unit if is_broken else ""
        after = line_end + outer if is_broken else ""
        if model is None or model.element.is_broken:
            depth = outer + unit if is_broken else outer
            opening = line_end + depth + unit
            layout = ObjectLayout(opening, lead.colon, "," + opening, line_end + depth)
        else:
            layout = model.element
    between = "," + before if before else layout.inline_comma
    texts = [written(one, layout, is_escaped=is_escaped) for one in interactions]
    return ("[" + before + between.join(texts) + after + "]").encode()


def inserted(
    array: bytes, places: list[tuple[int, list[Interaction]]], *, is_escaped: bool
) -> bytes:
    """A filled array with interactions put in before its elements of the given numbers.

    Args:
        array: the array's bytes.
        places: the number of an element (their count for the end) and what goes before it, by number.
        is_escaped: write letters beyond ASCII as `\\u00e9`.
    """
    _, spans = elements(array)
    first = array[slice(*spans[0])]
    layout = layout_of(first, members(first))
    pieces: list[bytes] = []
    position = 0
    for number, interactions in places:
        separator = _separator(array, spans, number, layout)
        texts = [written(one, layout, is_escaped=is_escaped).encode() for one in interactions]
        is_end = number == len(spans)
        place = spans[-1][1] if is_end else spans[number][0]
        pieces.append(array[position:place])
        pieces += [separator + text if is_end else text + separator for text in texts]
        position = place
    return b"".join([*pieces, array[position:]])


def _separator(
    array: bytes, spans: list[tuple[int, int]], number: int, layout: ObjectLayout
) -> bytes:
    """What stands between the elements where one is put in; with a single one, what stands before it."""
    if len(spans) == 1:
        before = array[1 : spans[0][0]]
        return b"," + before if before else layout.inline_comma.encode()
    right = min(max(number, 1), len(spans) - 1)
    return array[spans[right - 1][1] : spans[right][0]]


def _between(text: bytes, start: int, end: int) -> str:
    return text[start:end].decode()
