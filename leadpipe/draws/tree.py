"""The tree over all participants whose nodes carry sums of entries: build, find, and cut to a proof.

A Merkle sum tree: each inner node hashes the rows (entries and hash) of up to 16 children. It is built
by whoever holds the list; checking what was cut out of it is `verify.py`'s business and needs none of it.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leadpipe.draws.hashing import FAN_OUT, ROW_BYTES, entries_of, node_digest
from leadpipe.draws.sampling import Interval

ROW = np.dtype([("entries", ">u8"), ("digest", "V32")])
_GROUP_BYTES = FAN_OUT * ROW_BYTES
_PLACED_AT_ONCE = 1 << 18
_PLACERS = 2

# A node cut off is its row, (entries, hash); one that is opened shows the nodes below it.
Cut = list[int | str] | dict[str, list["Cut"]]


@dataclass(frozen=True, repr=False)
class SumTree:
    """All levels as rows, participants first, the root's own row last."""

    levels: tuple[memoryview, ...]

    @property
    def participants(self) -> int:
        """How many leaves there are."""
        return len(self.levels[0]) // ROW_BYTES

    @property
    def total(self) -> int:
        """The entries of all participants."""
        return entries_of(bytes(self.levels[-1]))

    @property
    def root(self) -> str:
        """The root's hash."""
        return bytes(self.levels[-1][-32:]).hex()

    def find(self, position: int) -> Interval:
        """The interval of the participant that has the entry at a position below `total`."""
        index = start = 0
        for level in reversed(self.levels[:-1]):
            for child, (entries, digest) in enumerate(_rows(level, index), FAN_OUT * index):
                if position < start + entries:
                    index, found = child, Interval(start, entries, digest)
                    break
                start += entries
        return found

    def index_of(self, leaf: str) -> int | None:
        """Where a leaf is, as they lie in the order of their hashes; None when it is not there."""
        wanted, level = bytes.fromhex(leaf), self.levels[0]
        low, high = 0, self.participants
        while low < high:
            middle = (low + high) // 2
            end = (middle + 1) * ROW_BYTES
            found = bytes(level[end - 32 : end])
            if found == wanted:
                return middle
            low, high = (middle + 1, high) if found < wanted else (low, middle)
        return None

    def cut(self, leaves: Iterable[str]) -> Cut:
        """The part of the tree that proves these leaves: every node off their paths is its row alone."""
        indexes = {index for leaf in leaves if (index := self.index_of(leaf)) is not None}
        opened = []
        for _ in self.levels[1:]:
            indexes = {index // FAN_OUT for index in indexes}
            opened.append(indexes)
        return self._cut(len(self.levels) - 1, 0, opened)

    def _cut(self, height: int, index: int, opened: list[set[int]]) -> Cut:
        below = height - 1
        return {
            "open": [
                self._cut(below, child, opened)
                if below and child in opened[below - 1]
                else [entries, digest]
                for child, (entries, digest) in enumerate(
                    _rows(self.levels[below], index), FAN_OUT * index
                )
            ]
        }


def _rows(level: memoryview, parent: int) -> Iterator[tuple[int, str]]:
    """Entries and hash of each child of a node."""
    group = bytes(level[parent * _GROUP_BYTES : (parent + 1) * _GROUP_BYTES])
    for offset in range(0, len(group), ROW_BYTES):
        child = group[offset : offset + ROW_BYTES]
        yield entries_of(child), child[-32:].hex()


def build_tree(rows: memoryview) -> SumTree:
    """The tree over the rows of at least one participant, which lie in the order of their leaves."""
    levels = [rows]
    while len(levels) == 1 or len(levels[-1]) > ROW_BYTES:
        levels.append(_parents(levels[-1]))
    return SumTree(tuple(levels))


def _parents(level: memoryview) -> memoryview:
    table = np.frombuffer(level, ROW)
    firsts = np.arange(0, len(table), FAN_OUT)
    sums = np.add.reduceat(table["entries"].astype(np.uint64), firsts)
    parents = bytearray(len(firsts) * ROW_BYTES)
    digests = b"".join(
        node_digest(level[start : start + _GROUP_BYTES])
        for start in range(0, len(level), _GROUP_BYTES)
    )
    made = np.frombuffer(parents, ROW)
    made["entries"], made["digest"] = sums, np.frombuffer(digests, dtype="V32")
    return memoryview(parents).toreadonly()


def sorted_rows(rows: NDArray[np.void]) -> tuple[memoryview, NDArray[np.intp]]:
    """Rows (of the type `ROW`) in the order of their leaves, and where each was before.

    Raises:
        ValueError: two participants have the same leaf.
    """
    words = (
        rows.view(">u8").reshape(len(rows), -1).T[1:]
    )  # of the leaves, the most significant first
    firsts = words[0].astype(np.uint64)
    order = np.argsort(firsts)
    firsts = firsts[order]
    if bool((firsts[1:] == firsts[:-1]).any()):  # rare: 64 bits of 5 million leaves
        order = np.lexsort(words[::-1])
        same = [word[order][1:] == word[order][:-1] for word in words]
        if bool(np.logical_and.reduce(same).any()):
            raise ValueError("two participants have the same leaf")
    placed = np.empty_like(rows)

    def place(start: int) -> None:
        part = slice(start, start + _PLACED_AT_ONCE)
        np.take(rows, order[part], out=placed[part], mode="clip")  # others buffer what they write

    # In parts on two cores; numpy lets go of Python's lock.
    with ThreadPoolExecutor(_PLACERS) as pool:
        list(pool.map(place, range(0, len(rows), _PLACED_AT_ONCE)))
    return memoryview(placed.view(np.uint8).data).toreadonly(), order
