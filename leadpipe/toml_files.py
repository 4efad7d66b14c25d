"""The TOML files that people write: score rules, prizes, tenants.

Belongs here: what makes a file no TOML, told with its place. Does not belong here: what should be in it.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leadpipe.errors import ConfigurationError

_LONGEST_NUMBER = re.compile(r"[0-9](?:_?[0-9]){18,}")
_TOO_LARGE = "a number too large for any table. Write a whole number below 2^63."
_INTEGERS = range(-(2**63), 2**63)  # what TOML promises


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a file.

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
    return content


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
