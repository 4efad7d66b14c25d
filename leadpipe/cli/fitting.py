"""How a table is fitted to a screen: what is shortened, what is left out, and when it becomes blocks.

Pure: texts and a width come in, lines go out. Which columns a table can do without, the least important
first, is said where it is made; what a value looks like is the business of `output.py`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from rich.cells import cell_len, set_cell_size

GAP = 2
_LEAST = 16
"""No text is squeezed into less; the column goes instead."""
_SHORT_ID = 8
_LONG_ID = re.compile(r"[0-9a-f]{12,64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """A column of texts, as they would be shown with room for all.

    Args:
        name: as it is named in the rows; what to go without is said by it.
        header: as it is shown; empty in a table without headers.
        cells: a text a row.
        is_number: they stand to the right.
        is_empty: no row has a value.
        is_id: they are ids, of which commands take the start.
    """

    name: str
    header: str
    cells: tuple[str, ...]
    is_number: bool = False
    is_empty: bool = False
    is_id: bool = False

    @property
    def widest(self) -> int:
        """What the longest of its texts needs."""
        return max(map(cell_len, self.cells), default=0)

    @property
    def least(self) -> int:
        """What its header and the longest word of its texts need."""
        return max(map(cell_len, [*self.header.split(), *_words(self.cells)]), default=0)


@dataclass(frozen=True)
class Fitted:
    """A table that fits.

    Args:
        columns: what is shown.
        widths: of each of them.
        left_out: the headers of those that are not; all that has a value somewhere.
        cut: what stands for what was cut off.
    """

    columns: tuple[Column, ...]
    widths: tuple[int, ...]
    left_out: tuple[str, ...]
    cut: str

    def header(self) -> list[str]:
        """The lines of the headers, none in a table without them."""
        if not any(column.header for column in self.columns):
            return []
        return self._lines([column.header for column in self.columns])

    def lines(self) -> Iterator[str]:
        """The lines of the rows."""
        for texts in zip(*(column.cells for column in self.columns), strict=True):
            yield from self._lines(texts)

    def _lines(self, texts: Sequence[str]) -> list[str]:
        parts = [
            wrapped(text, width, self.cut) for text, width in zip(texts, self.widths, strict=True)
        ]
        lines = []
        for number in range(max(map(len, parts))):
            cells = [part[number] if number < len(part) else "" for part in parts]
            lines.append(
                (" " * GAP)
                .join(
                    " " * (width - cell_len(cell)) + cell
                    if column.is_number
                    else set_cell_size(cell, width)
                    for column, width, cell in zip(self.columns, self.widths, cells, strict=True)
                )
                .rstrip()
            )
        return lines


def fit(
    columns: Sequence[Column],
    width: int | None,
    *,
    drop: Sequence[str] = (),
    cut: str = "…",
    is_exact: bool = False,
) -> Fitted | None:
    """The table in lines of the width, whole if it fits.

    Where it does not: headers take several lines, then ids are shortened, then columns without any value
    go, then those of `drop` are shortened or go one after another, then texts take several lines. No word
    is broken over two.

    Args:
        columns: at least one.
        width: of the screen; None is as wide as it takes.
        drop: columns to go without, the least important first.
        cut: what stands for what was cut off.
        is_exact: ids stay whole.

    Returns:
        None if not even what must be shown fits.
    """
    whole = tuple(max(column.widest, cell_len(column.header)) for column in columns)
    if width is None or _total(whole) <= width:
        return Fitted(tuple(columns), whole, (), cut)
    if _total(_natural(columns)) > width and not is_exact:
        columns = [
            replace(column, cells=short_ids(column.cells)) if column.is_id else column
            for column in columns
        ]
    kept, squeezed = _kept(columns, width, drop)
    widths = _natural(kept, squeezed)
    if _total(widths) > width:
        widths = _flowing(kept, width)
    if _total(widths) > width:
        return None
    left_out = [one.header for one in columns if one not in kept and not one.is_empty]
    return Fitted(tuple(kept), _filling(kept, widths, width), tuple(left_out), cut)


def _kept(
    columns: Sequence[Column], width: int, drop: Sequence[str]
) -> tuple[list[Column], dict[str, int]]:
    """The columns that stay, and the width of one that could be squeezed instead of going."""
    kept = list(columns)
    if _total(_natural(kept)) > width:
        kept = [column for column in columns if not column.is_empty] or kept
    known = {column.name: column for column in kept}
    for name in drop:
        surplus = _total(_natural(kept)) - width
        if surplus <= 0:
            break
        if name not in known or len(kept) == 1:
            continue
        one = known[name]
        room = one.widest - surplus
        if not one.is_number and room >= max(_LEAST, _header(one)):
            return kept, {name: room}
        kept.remove(one)
    for name in reversed(drop):  # where a wide one had to go, there may be room for others again
        if name in known and known[name] not in kept:
            with_it = [one for one in columns if one in kept or one is known[name]]
            if _total(_natural(with_it)) <= width:
                kept = with_it
    return kept, {}


def blocks(columns: Sequence[Column], width: int, nothing: str = "·") -> Iterator[str]:
    """The rows one below the other, a line `name: value` for each value; a word too long stays whole.

    Args:
        columns: at least one.
        width: of the screen.
        nothing: a cell without a value, which has no line.
    """
    rows = list(zip(*(column.cells for column in columns), strict=True))
    for number, texts in enumerate(rows):
        if number:
            yield ""
        for column, text in zip(columns, texts, strict=True):
            if text != nothing:
                yield from pair(column.header or column.name, text, width)


def pair(name: str, value: str, width: int) -> Iterator[str]:
    """`name: value`, with more lines for a long value, each with a margin."""
    line = f"{name}: {value}" if name else value
    if cell_len(line) <= width:
        yield line
        return
    yield from (
        part if not number else f"  {part}"
        for number, part in enumerate(wrapped(line, width - 2, None))
    )


def wrapped(text: str, width: int, cut: str | None) -> list[str]:
    """The words of a text in lines of a width.

    Args:
        text: one line.
        width: of the lines.
        cut: what stands for the end of a word that is too long, or for the beginning of a path; None leaves
            the word as long as it is.
    """
    if cell_len(text) <= width:
        return [text]
    lines: list[str] = []
    for word in text.split():
        fitting = word if cut is None or cell_len(word) <= width else _cut(word, width, cut)
        if lines and cell_len(lines[-1]) + 1 + cell_len(fitting) <= width:
            lines[-1] += f" {fitting}"
        else:
            lines.append(fitting)
    return lines or [""]


def short_ids(cells: Sequence[str]) -> tuple[str, ...]:
    """The cells with long ids in them cut to starts of 8 characters, or of what tells them apart here."""
    ids = sorted(word for word in _words(cells) if _LONG_ID.fullmatch(word))
    length = _SHORT_ID
    for before, after in pairwise(ids):
        while before[:length] == after[:length]:
            length += 1
    known = {one: one[:length] for one in ids}
    return tuple(
        " ".join(known.get(word, word) for word in cell.split(" ")) if ids else cell
        for cell in cells
    )


def _words(texts: Sequence[str]) -> set[str]:
    return {word for text in set(texts) for word in text.split()}


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _header(column: Column) -> int:
    """What a header needs that may take several lines."""
    return max(map(cell_len, column.header.split()), default=0)


def _natural(
    columns: Sequence[Column], squeezed: Mapping[str, int] | None = None
) -> tuple[int, ...]:
    """What columns need when headers may take several lines; less where they were squeezed."""
    return tuple(
        (squeezed or {}).get(column.name, max(column.widest, _header(column))) for column in columns
    )


def _filling(columns: Sequence[Column], widths: Sequence[int], width: int) -> tuple[int, ...]:
    """Widths with the room that is left given to headers, those first that then need one line."""
    filled = list(widths)
    lacking = [cell_len(one.header) - wide for one, wide in zip(columns, widths, strict=True)]
    for index in sorted(range(len(filled)), key=lacking.__getitem__):
        more = max(lacking[index], 0)
        if _total(filled) + more <= width:
            filled[index] += more
    return tuple(filled)


def _flowing(columns: Sequence[Column], width: int) -> tuple[int, ...]:
    """Widths with which texts of several words take several lines: the widest gives way first."""
    widths = list(_natural(columns))
    least = [
        column.least if column.is_number else min(max(column.least, _LEAST), widths[index])
        for index, column in enumerate(columns)
    ]
    while _total(widths) > width:
        room = [wide - low for wide, low in zip(widths, least, strict=True)]
        if max(room) <= 0:
            break
        index = room.index(max(room))
        widths[index] -= min(room[index], _total(widths) - width)
    return tuple(widths)


def _cut(word: str, width: int, cut: str) -> str:
    """A word that does not fit: the end of a path, the beginning of anything else."""
    room = max(width - len(cut), 1)
    if "/" in word:
        while cell_len(word) > room:
            word = word[1:]
        return cut + word
    while cell_len(word) > room:
        word = word[:-1]
    return word + cut
