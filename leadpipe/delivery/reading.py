"""JSON from outside, read so that no value in it can stop what comes behind.

Pure. Whatever encoding JSON may have, halves of emoji, numbers that no table or request can hold, and depths
that break the next reader. What cannot be read is told apart item by item, so that a list loses that item
alone. What an item means is not decided here.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from leadpipe.text import whole_values

_DEEPEST = 40
_LONGEST_INTEGER = 18  # digits; what every table and every JSON writer can hold


class UnreadableJson(ValueError):  # noqa: N818 - says what is the case
    """No JSON, or JSON that nothing behind could hold; the message says why, without its content."""


@dataclass(frozen=True)
class Unreadable:
    """An item of a list that cannot be read: its text, and why."""

    text: str = field(repr=False)
    reason: str


def decoded(data: bytes | str) -> Any:  # noqa: ANN401 - whatever was sent
    """A JSON value: texts whole, numbers that fit, no deeper than anything that is meant.

    An integer of more digits than tables hold, and a float beyond every number, come as their text.

    Raises:
        UnreadableJson: it is no JSON, or nested too deeply.
    """
    text = _text(data)
    try:
        content = json.loads(
            text.removeprefix("\ufeff"),
            parse_int=_integer,
            parse_float=_float,
            parse_constant=str,
        )
    except RecursionError:
        raise UnreadableJson("it is nested too deeply") from None
    except ValueError as error:
        place = getattr(error, "pos", None)
        where = "" if place is None else f" at character {place + 1:,}"
        raise UnreadableJson(f"it is not JSON{where}") from None
    if _is_deep(content):
        raise UnreadableJson(f"it is nested more than {_DEEPEST} levels deep")
    return whole_values(content)


def written(content: object) -> str:
    """JSON text of a decoded value, which DuckDB and every other reader takes.

    NUL is U+FFFD: it ends texts early in much that reads them.
    """
    text = json.dumps(whole_values(content), ensure_ascii=False, allow_nan=False, default=str)
    return text.replace("\\u0000", "\ufffd") if "\\u0000" in text else text


def items_of(data: bytes | str) -> list[Any]:
    """The items of a JSON list, or one JSON value as a list of it; each that cannot be read is `Unreadable`.

    Raises:
        UnreadableJson: not even items can be told apart.
    """
    try:
        content = decoded(data)
    except UnreadableJson:
        text = _text(data).strip().removeprefix("\ufeff").strip()
        if not text.startswith("["):
            raise
        return [_item(part) for part in _parts(text)]
    return content if isinstance(content, list) else [content]


def _item(text: str) -> object:
    try:
        return decoded(text)
    except UnreadableJson as error:
        return Unreadable(text, str(error))


def _parts(text: str) -> Iterator[str]:  # noqa: C901 - one pass over the characters
    """The texts between the commas of a list, by its quotes and brackets alone.

    Raises:
        UnreadableJson: the list does not end.
    """
    depth, start, is_quoted, is_escaped = 0, 1, False, False
    for index, character in enumerate(text):
        if is_quoted:
            if is_escaped:
                is_escaped = False
            elif character == "\\":
                is_escaped = True
            elif character == '"':
                is_quoted = False
        elif character == '"':
            is_quoted = True
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
            if depth == 0:
                if part := text[start:index].strip():
                    yield part
                if text[index + 1 :].strip():
                    raise UnreadableJson("something follows the end of the list")
                return
        elif character == "," and depth == 1:
            yield text[start:index].strip()
            start = index + 1
    raise UnreadableJson("the list does not end")


def _text(data: bytes | str) -> str:
    if isinstance(data, str):
        return data
    try:
        return data.decode(json.detect_encoding(data))
    except UnicodeDecodeError:
        raise UnreadableJson("it is not UTF-8") from None


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits.lstrip("-")) <= _LONGEST_INTEGER else digits


def _float(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _is_deep(content: object) -> bool:
    level = [content]
    for _ in range(_DEEPEST):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        if not below:
            return False
        level = below
    return any(isinstance(value, dict | list) for value in level)
