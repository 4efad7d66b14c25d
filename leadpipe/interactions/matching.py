"""Which events a lead's interactions already tell of: nearest first, one event an interaction.

The pairs are taken in one fixed order: distance in time, then whether the content is the same, then the
event, then the interaction. Nothing depends on the order events come in. With such an order a further
event can only leave others without their interaction, never with one more. So what one sync adds, a
sync with more events would have added too, and adding it changes no other decision.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable

from leadpipe.interactions.schema import Interaction

TOLERANCE_MILLISECONDS = 5_000


def missing(existing: Iterable[Interaction], events: Iterable[Interaction]) -> list[Interaction]:
    """The events that no existing interaction tells of, sorted; an event said twice counts once."""
    unclaimed = Counter(existing)
    distinct = sorted(set(events))
    if not unclaimed:
        return distinct
    wanted: list[Interaction] = []
    for event in distinct:
        if unclaimed[event]:
            unclaimed[event] -= 1
        else:
            wanted.append(event)
    free = sorted(unclaimed.elements())
    if not free or not wanted:
        return wanted
    claimed: set[int] = set()
    found: set[int] = set()
    for *_, event_index, index in sorted(_pairs(free, wanted)):
        if event_index not in found and index not in claimed:
            found.add(event_index)
            claimed.add(index)
    return [event for number, event in enumerate(wanted) if number not in found]


def _pairs(
    free: list[Interaction], wanted: list[Interaction]
) -> Iterable[tuple[int, bool, int, int]]:
    """Pairs within the tolerance: distance, whether the content differs, and both by their rank."""
    times = [interaction.logged_at for interaction in free]
    for event_index, event in enumerate(wanted):
        first = bisect_left(times, event.logged_at - TOLERANCE_MILLISECONDS)
        last = bisect_right(times, event.logged_at + TOLERANCE_MILLISECONDS)
        for index in range(first, last):
            other = free[index]
            distance = abs(other.logged_at - event.logged_at)
            yield distance, other.content != event.content, event_index, index
