"""What is wrong with a file that a person wrote: every mistake with its line, all of them told at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from leadpipe.errors import ConfigurationError
from leadpipe.toml_files import line_of

Place = tuple[str | int, ...]
"""Keys, and places in lists from 0, that lead to a value of a file."""


@dataclass
class Mistakes:
    """The mistakes found so far in one file.

    Args:
        name: of the file, as the person knows it.
        text: what is in it; None where there are no lines to name.
    """

    name: str
    text: str | None
    found: list[tuple[int, str]] = field(default_factory=list)

    def tell(self, place: Place, problem: str, needle: str | None = None) -> None:
        """Note a mistake at a place; `needle` is what to look for where that has several lines."""
        line = line_of(self.text, place, needle) if self.text and place else None
        self.found.append((line or 0, problem))

    def refuse(self) -> None:
        """End here if there are any.

        Raises:
            ConfigurationError: every mistake, a line each.
        """
        if self.found:
            raise ConfigurationError(
                "\n".join(
                    f"{self.name}, line {line}: {problem}" if line else f"{self.name}: {problem}"
                    for line, problem in sorted(dict.fromkeys(self.found))
                )
            )

    def table(self, place: Place, said: object) -> Mapping[str, Any]:
        """A value that should be a table; an empty one where it is none."""
        if isinstance(said, dict):
            return said
        self.tell(place, f"{place[-1]} should be a table, such as [{place[-1]}]")
        return {}

    def known_keys(self, place: Place, said: Mapping[str, Any], known: Sequence[str]) -> None:
        """Tell the keys of a table that mean nothing there."""
        for key in said:
            if key not in known:
                self.tell(
                    (*place, key),
                    f"unknown key {key!r}{near(key, known) or f'; there are {listed(known)}'}",
                )


def near(wrong: str, right: Iterable[str]) -> str:
    """A hint at the nearest of the names that would have been right; empty if none is near."""
    names = {name.lower(): name for name in right}
    found = get_close_matches(wrong.lower(), names, n=1)
    return f"; did you mean {names[found[0]]}?" if found else ""


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: a, b or c."""
    return f"{', '.join(names[:-1])} or {names[-1]}"
