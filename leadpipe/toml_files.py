"""The TOML files that people write: score rules, prizes, tenants.

Belongs here: what makes a file no TOML, told with its place; on which line a value stands. Does not belong
here: what should be in it.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from leadpipe.errors import ConfigurationError

_LONGEST_NUMBER = re.compile(r"[0-9](?:_?[0-9]){18,}")
_TOO_LARGE = "a number too large for any table. Write a whole number below 2^63."
_INTEGERS = range(-(2**63), 2**63)  # what TOML promises


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a file; raises as `read_toml_text`."""
    return read_toml_text(path)[0]


def read_toml_text(path: Path) -> tuple[dict[str, Any], str]:
    """The content of a file, and its text, in which `line_of` finds a value.

    Raises:
        FileNotFoundError: there is none, which each caller takes in its own way.
        ConfigurationError: it cannot be read or is no TOML; names the file, the place and the next step.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            f"{path}, line {line}: not UTF-8. Save the file in the encoding UTF-8."
        ) from None
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}") from None
    except RecursionError:
        raise ConfigurationError(
            f"{path}: nested too deeply to be read. Two levels of brackets are all it needs."
        ) from None
    except ValueError:  # Python reads no number of thousands of digits
        raise ConfigurationError(f"{path}{_line_of_a_number(text)}: {_TOO_LARGE}") from None
    for place, value in _values(content):
        if isinstance(value, int) and value not in _INTEGERS:
            raise ConfigurationError(f"{path}, {place}: {_TOO_LARGE}")
    return content, text


def line_of(text: str, place: Sequence[str | int], needle: str | None = None) -> int | None:
    """The line, from 1, on which a value is given; None where it is given nowhere.

    Args:
        text: a TOML document.
        place: keys, and places in lists from 0, that lead to the value.
        needle: what to look for on the value's lines, where it has several.
    """
    lines = text.splitlines(keepends=True)
    if not _has(_parsed(lines), place):
        return None
    # The first lines as a document of their own: so many lack the value, so many have it. What is cut within
    # a value of several lines is no document.
    lacking, having = 0, len(lines)
    while having - lacking > 1:
        middle = (lacking + having) // 2
        beginnings = [*range(middle, having), *range(middle - 1, lacking, -1)]
        found = next(
            ((n, one) for n in beginnings if (one := _parsed(lines[:n])) is not None), None
        )
        if found is None:
            break
        number, content = found
        lacking, having = (lacking, number) if _has(content, place) else (number, having)
    for number in range(lacking, having if needle else lacking):
        if needle and needle in lines[number]:
            return number + 1
    return lacking + 1


def _parsed(lines: Sequence[str]) -> dict[str, Any] | None:
    try:
        return tomllib.loads("".join(lines))
    except (ValueError, RecursionError):
        return None


def _has(content: object, place: Sequence[str | int]) -> bool:
    for key in place:
        if isinstance(content, list):
            content = dict(enumerate(content))
        if not isinstance(content, dict) or key not in content:
            return False
        content = content[key]
    return True


def _line_of_a_number(text: str) -> str:
    longest = max(_LONGEST_NUMBER.finditer(text), key=lambda found: len(found[0]), default=None)
    return "" if longest is None else f", line {text.count(chr(10), 0, longest.start()) + 1}"


def _values(value: object, place: str = "") -> Iterator[tuple[str, object]]:
    """Every value in a file, with the keys that lead to it."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _values(each, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for number, each in enumerate(value, 1):
            yield from _values(each, f"{place}[{number}]")
    else:
        yield place, value
