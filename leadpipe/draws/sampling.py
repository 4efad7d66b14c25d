"""Draw tickets by integer arithmetic on a SHA-256 stream: the same numbers on every platform.

Weighted by entries, without replacement: a ticket is a number below the entries still in the draw, and
the intervals of those already drawn are skipped. Which participant has which interval is the tree's
business.
"""

import hashlib
from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_RANGE = 1 << 256


@dataclass(frozen=True, order=True)
class Interval:
    """A participant's place in the line of all entries: `start` up to, not including, `start + entries`."""

    start: int
    entries: int
    leaf: str


@dataclass(frozen=True)
class Drawn:
    """One place drawn: the ticket, and the interval it fell into."""

    ticket: int
    interval: Interval


def numbers(seed: str) -> Iterator[int]:
    """The stream: SHA-256 of `number:SEED:0`, `number:SEED:1`, …, each an integer below 2**256."""
    counter = 0
    while True:
        block = hashlib.sha256(f"number:{seed}:{counter}".encode("ascii")).digest()
        yield int.from_bytes(block, "big")
        counter += 1


def below(stream: Iterator[int], limit: int) -> int:
    """The next number of the stream that gives every value below `limit` the same chance."""
    fair = _RANGE - _RANGE % limit
    return next(number for number in stream if number < fair) % limit


def draw(
    stream: Iterator[int], *, total: int, places: int, find: Callable[[int], Interval]
) -> list[Drawn]:
    """Draw so many places, nobody twice.

    Args:
        stream: where the numbers come from.
        total: the entries of all participants.
        places: how many to draw; there must be that many participants.
        find: the interval that a position in the line of entries falls into.
    """
    taken: list[Interval] = []
    drawn: list[Drawn] = []
    remaining = total
    for _ in range(places):
        ticket = below(stream, remaining)
        interval = find(_position(ticket, taken))
        insort(taken, interval)
        remaining -= interval.entries
        drawn.append(Drawn(ticket, interval))
    return drawn


def _position(ticket: int, taken: list[Interval]) -> int:
    """Where a ticket lies in the line of all entries, when those of `taken` (in order) are left out."""
    position = ticket
    for interval in taken:
        if position < interval.start:
            break
        position += interval.entries
    return position
