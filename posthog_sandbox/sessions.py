"""Visits of generated traffic: who does what to which listing, and when.

Belongs here: the skeleton of events, as arrays of numbers. Does not belong here: their text
(`event_text.py`) and when they arrive (`arrivals.py`).

A visit is a row of segments: a page (home, search), or a listing, which is opened (`$pageview`),
viewed (`property_view`, often in the same millisecond) and then maybe shared, saved or called about;
so a lead always follows a view.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posthog_sandbox.catalogue import Catalogue
from posthog_sandbox.identifiers import Numbers
from posthog_sandbox.population import Population

Flags = npt.NDArray[np.bool_]

PAGEVIEW, VIEW, SOCIAL, WEBSITE, SHARE, SAVE, LEAD, IDENTIFY, SIGN_UP, PAGELEAVE, SEARCH = range(11)

_PAGE, _LISTING, _LOGIN = range(3)
_PAGE_SHARE = 0.35
_CALLER_SHARE = 0.3
_LEAD_SHARE = 0.5
_NEW_DEVICE_SHARE = 0.15
_TIE_SHARE = 0.25
_SMALL = 5_000
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_LONGEST_GAP_SECONDS = 1200.0
_AFTER_VIEW = (PAGEVIEW, SOCIAL, WEBSITE, SHARE, SAVE)
_AFTER_VIEW_SHARES = (0.15, 0.15, 0.2, 0.25, 0.25)
_LATER_PAGES = (PAGEVIEW, SEARCH, PAGELEAVE)
_LATER_PAGE_SHARES = (0.68, 0.17, 0.15)
# Weights of the hours of the local day: browsing peaks in the evening, calls at ten.
_BROWSING = (
    9,
    5,
    3,
    2,
    2,
    4,
    9,
    16,
    22,
    26,
    28,
    29,
    32,
    33,
    30,
    28,
    28,
    30,
    34,
    40,
    44,
    40,
    30,
    17,
)
_CALLING = (0, 0, 0, 0, 0, 0, 2, 9, 34, 60, 96, 60, 44, 38, 44, 42, 34, 22, 10, 5, 3, 1, 0, 0)


@dataclass(frozen=True)
class Visits:
    """The events of visits.

    Attributes:
        kinds: what happens, one of the constants above.
        offsets: microseconds since the block began; whole milliseconds, as a browser has them.
        listings: which listing; -1 for none.
        sessions: which visit, an index into the arrays below.
        is_known: whether the event carries the user's id, not the device's.
        persons: the visitor of each visit.
        is_new_device: whether the visit begins on a device without history.
        starts: microseconds since the block began, of each visit.
    """

    kinds: Numbers
    offsets: Numbers
    listings: Numbers
    sessions: Numbers
    is_known: Flags
    persons: Numbers
    is_new_device: Flags
    starts: Numbers


def make_visits(
    rng: np.random.Generator,
    count: int,
    *,
    block: int,
    share: tuple[float, float],
    begins_at: int,
    population: Population,
    catalogue: Catalogue,
    has_rhythm: bool,
) -> Visits:
    """Exactly `count` events of visits in a block of a day.

    Args:
        rng: the part's.
        count: events.
        block: which day.
        share: the part's stretch of the block, as fractions.
        begins_at: microseconds into the UTC day at which the block begins.
        population: who may come.
        catalogue: what there is to see.
        has_rhythm: whether people sleep.
    """
    visits = count if count < _SMALL else count // 3  # a visit has five events on average
    persons, ages = population.visitors(rng, visits, block=block, share=share)
    identified = population.is_identified(persons)
    is_new_device = identified & (ages > 0) & (rng.random(visits) < _NEW_DEVICE_SHARE)
    logs_in = is_new_device | (identified & (ages == 0))
    segments = np.where(
        logs_in, np.maximum(2, rng.geometric(0.45, visits)), rng.geometric(0.45, visits)
    )
    is_caller = rng.random(visits) < _CALLER_SHARE

    session = np.repeat(np.arange(visits), segments)
    place = _places(segments)
    kind = np.where(rng.random(len(session)) < _PAGE_SHARE, _PAGE, _LISTING)
    kind[(place == 1) & logs_in[session]] = _LOGIN
    length = np.select(
        [kind == _PAGE, kind == _LOGIN],
        [1, np.where(is_new_device[session], 1, 2)],
        1 + rng.geometric(0.5, len(session)),
    )
    listing = np.where(kind == _LISTING, catalogue.picks(rng, len(session)), -1)

    segment = np.repeat(np.arange(len(session)), length)[:count]
    position = _places(length)[:count]
    sessions = session[segment]
    kinds = _kinds(rng, kind[segment], position, is_caller[sessions], place[segment])
    gaps = _gaps(rng, kinds, position)
    first = np.flatnonzero(np.diff(sessions, prepend=-1))
    gaps[first] = 0
    since_start = np.cumsum(gaps)
    since_start -= np.repeat(since_start[first], np.diff(first, append=count))
    lasted = np.zeros(visits, np.int64)
    np.maximum.at(lasted, sessions, since_start)
    local = _local_starts(rng, is_caller, has_rhythm=has_rhythm)
    hours = population.utc_offset_hours(persons)
    starts = (local - hours * 3600 * _SECOND - begins_at) % _DAY
    starts = np.clip(np.minimum(starts, _DAY - _SECOND - lasted), 0, None) // 1000 * 1000
    logged_in_at = np.where(logs_in, np.int64(1), np.int64(0))
    after_login = (place[segment] >= logged_in_at[sessions]) & identified[sessions]
    is_known = after_login & ((ages[sessions] > 0) | logs_in[sessions])
    return Visits(
        kinds=kinds,
        offsets=np.minimum(starts[sessions] + since_start, _DAY - 1000),
        listings=listing[segment],
        sessions=sessions,
        is_known=is_known,
        persons=persons,
        is_new_device=is_new_device,
        starts=starts,
    )


def _places(lengths: Numbers) -> Numbers:
    """0, 1, 2, … within each run of the given lengths."""
    ends = np.cumsum(lengths)
    places: Numbers = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
    return places


def _kinds(
    rng: np.random.Generator, segment: Numbers, position: Numbers, is_caller: Flags, place: Numbers
) -> Numbers:
    count = len(segment)
    after_view = rng.choice(_AFTER_VIEW, count, p=_AFTER_VIEW_SHARES)
    calls = is_caller & (rng.random(count) < _LEAD_SHARE)
    later_page = rng.choice(_LATER_PAGES, count, p=_LATER_PAGE_SHARES)
    kinds: Numbers = np.select(
        [
            (segment == _PAGE) & (place > 0),
            position == 0,
            segment == _LOGIN,
            position == 1,
            calls,
        ],
        [
            later_page,
            np.where(segment == _LOGIN, IDENTIFY, PAGEVIEW),
            SIGN_UP,
            VIEW,
            LEAD,
        ],
        after_view,
    )
    return kinds


def _gaps(rng: np.random.Generator, kinds: Numbers, position: Numbers) -> Numbers:
    """Microseconds since the event before, in whole milliseconds."""
    count = len(kinds)
    thinking = np.minimum(rng.lognormal(np.log(22.0), 1.1, count), _LONGEST_GAP_SECONDS)
    at_once = np.where(rng.random(count) < _TIE_SHARE, 0.0, rng.random(count) * 0.9)
    is_at_once = (position == 1) & ((kinds == VIEW) | (kinds == SIGN_UP))
    seconds = np.where(is_at_once, at_once, thinking)
    gaps: Numbers = (seconds * 1000).astype(np.int64) * 1000
    return gaps


def _local_starts(rng: np.random.Generator, is_caller: Flags, *, has_rhythm: bool) -> Numbers:
    """Microseconds into the local day."""
    count = len(is_caller)
    if not has_rhythm:
        return (rng.random(count) * _DAY).astype(np.int64)
    browsing = rng.choice(24, count, p=np.array(_BROWSING) / sum(_BROWSING))
    calling = rng.choice(24, count, p=np.array(_CALLING) / sum(_CALLING))
    hours = np.where(is_caller, calling, browsing) + rng.random(count)
    return (hours * 3600 * _SECOND).astype(np.int64)
