"""Where the parts of a JSON text begin and end, to the byte.

msgspec finds the values and gives each as the bytes it consists of; between them there is nothing but
white space, commas, colons and keys. So their places follow from their lengths, and a large file costs no
more than msgspec's own pass over it. Does not belong here: what the parts mean.
"""

import re
from typing import NamedTuple

import msgspec

_SPACE = re.compile(rb"[ \t\r\n]*")
_MEMBER = rb'[ \t\r\n]*("(?:[^"\\]|\\.)*")[ \t\r\n]*:[ \t\r\n]*'
_FIRST = re.compile(rb"[ \t\r\n]*{" + _MEMBER)
_NEXT = re.compile(rb"[ \t\r\n]*," + _MEMBER)
_COMMA = re.compile(rb"[ \t\r\n]*,?[ \t\r\n]*")

Text = bytes | memoryview
_array = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)


class RepeatedKey(ValueError):  # noqa: N818 - says what is the case
    """An object has a key twice: which of the values holds is anybody's guess."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Member(NamedTuple):
    """A key of an object and where its text and its value lie."""

    key: str
    key_start: int
    key_end: int
    start: int
    end: int


def skip_space(text: Text, position: int) -> int:
    """The place of the first byte at or after `position` that is no white space."""
    found = _SPACE.match(text, position)
    return found.end() if found else position


def elements(text: Text, start: int = 0) -> tuple[list[msgspec.Raw], list[tuple[int, int]]]:
    """The elements of the array that begins at `start` and ends the text, and where each lies.

    Raises:
        msgspec.DecodeError: this is no array, or it is not valid JSON.
    """
    raws = _array.decode(memoryview(text)[start:])
    first = _SPACE.match(text, skip_space(text, start) + 1)
    position = first.end() if first else start
    spans: list[tuple[int, int]] = []
    for raw in raws:
        end = position + len(raw)
        spans.append((position, end))
        comma = _COMMA.match(text, end)
        position = comma.end() if comma else end
    return raws, spans


def members(text: bytes) -> list[Member]:
    """The members of an object, in order.

    Raises:
        msgspec.DecodeError: this is no object, or it is not valid JSON.
        RepeatedKey: a key is there twice.
    """
    values = _object.decode(text)
    found: dict[str, Member] = {}
    place = _FIRST.match(text)
    while place:
        quoted = place[1]
        key = _text.decode(quoted) if b"\\" in quoted else quoted[1:-1].decode()
        start = place.end()
        value = bytes(values[key])
        if key in found or not text.startswith(value, start):
            raise RepeatedKey(key)  # the value we have is that of the key's last place
        end = start + len(value)
        found[key] = Member(key, place.start(1), place.end(1), start, end)
        place = _NEXT.match(text, end)
    return list(found.values())
