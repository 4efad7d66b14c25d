"""Find the few steps of a failing walk that it needs to fail."""

from collections.abc import Callable
from dataclasses import replace

from leadpipe_tests.events.walks.making import Walk

MOST_TRIES = 120


def shortened(walk: Walk, fails: Callable[[Walk], bool], *, tries: int = MOST_TRIES) -> Walk:
    """A walk without the steps whose removal lets it fail still; halves first, then each by itself."""
    size = max(1, len(walk.steps) // 2)
    while tries and size:
        start, is_shorter = 0, False
        while start < len(walk.steps) and tries:
            part = replace(walk, steps=walk.steps[:start] + walk.steps[start + size :])
            tries -= 1
            if fails(part):
                walk, is_shorter = part, True
            else:
                start += size
        if size == 1 and not is_shorter:
            break
        size = max(1, size // 2)
    return walk
