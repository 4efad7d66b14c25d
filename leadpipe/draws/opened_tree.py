"""Check the part of a tree that evidence or a proof shows: every hash and sum, up to the announced root.

Trusts nothing in it. What it should show is `verify.py`'s business.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, NoReturn

from leadpipe.draws.hashing import FAN_OUT, node_digest, row
from leadpipe.draws.sampling import Interval
from leadpipe.errors import EvidenceInvalid

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


def fail(what: str) -> NoReturn:
    """Say what does not hold.

    Raises:
        EvidenceInvalid: always.
    """
    raise EvidenceInvalid(f"Not valid: {what}.")


def open_tree(tree: object, announcement: Mapping[str, Any]) -> list[Interval]:
    """The participants that the opened part shows, in order, each with their place in the line of entries.

    Raises:
        EvidenceInvalid: a node, a hash or a sum is not what it must be.
    """
    widths = [announcement["participants"]]
    while len(widths) == 1 or widths[-1] > 1:
        widths.append(-(-widths[-1] // FAN_OUT))
    shown: list[Interval] = []

    def read(node: object, height: int, index: int, start: int) -> tuple[int, str]:
        if isinstance(node, list):
            entries, digest = _row(node)
            if height == 0:
                shown.append(Interval(start, entries, digest))
            return entries, digest
        children = node.get("open") if isinstance(node, dict) and len(node) == 1 else None
        due = min(FAN_OUT, widths[height - 1] - FAN_OUT * index)
        if height == 0 or not isinstance(children, list) or len(children) != due:
            fail("the tree has a node without exactly its children")
        rows, total = [], 0
        for number, child in enumerate(children, FAN_OUT * index):
            entries, digest = read(child, height - 1, number, start + total)
            rows.append(row(entries, bytes.fromhex(digest)))
            total += entries
        return total, node_digest(b"".join(rows)).hex()

    entries, root = read(tree, len(widths) - 1, 0, 0)
    if root != announcement["root"] or entries != announcement["total_entries"]:
        fail("the tree does not have the announced root and entries")
    if any(one.leaf >= following.leaf for one, following in pairwise(shown)):
        fail("the leaves are not in order")
    return shown


def _row(node: list[object]) -> tuple[int, str]:
    match node:
        case [int(entries), str(digest)] if not isinstance(entries, bool):
            if 1 <= entries < 1 << 53 and _HASH.fullmatch(digest):
                return entries, digest
    fail("the tree has a row that is not entries and a hash")


def check_is_small(tree: object, leaves: set[str]) -> None:
    """Every opened node leads to one of the leaves: nothing is shown that need not be.

    Raises:
        EvidenceInvalid: more is shown.
    """
    if not all(any(child[1] in leaves for child in group) for group in _last_groups(tree)):
        fail("the tree is opened where nobody was drawn")


def _last_groups(node: object) -> Iterator[list[list[object]]]:
    """The opened nodes that have no opened child, of a tree that was checked."""
    assert isinstance(node, dict)  # noqa: S101 - `open_tree` has been here
    opened = [child for child in node["open"] if isinstance(child, dict)]
    for child in opened:
        yield from _last_groups(child)
    if not opened:
        yield node["open"]
