"""Drawing by integers on a SHA-256 stream: fair by weight, without replacement, reproducible."""

from collections import Counter
from itertools import islice, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadpipe.draws.sampling import Interval, below, draw, numbers

WEIGHTS = {"a": 1, "b": 2, "c": 3, "d": 10, "e": 4}
DRAWS = 3_000
# The 99.9 % quantile of chi-square with 4 and with 59 degrees of freedom: seeds are fixed, so a pass stays.
CHI_SQUARE_4, CHI_SQUARE_59 = 18.47, 98.32


def line(weights):
    """Intervals of weights in order, and what finds the one with a position."""
    intervals, start = [], 0
    for leaf, entries in weights.items():
        intervals.append(Interval(start, entries, leaf))
        start += entries
    return lambda position: next(
        one for one in intervals if one.start <= position < one.start + one.entries
    )


def draw_leaves(seed, weights, places):
    """Who is drawn, in order."""
    drawn = draw(numbers(seed), total=sum(weights.values()), places=places, find=line(weights))
    return tuple(one.interval.leaf for one in drawn)


def chance(order):
    """The probability that weighted sampling without replacement draws this order."""
    left, probability = sum(WEIGHTS.values()), 1.0
    for leaf in order:
        probability *= WEIGHTS[leaf] / left
        left -= WEIGHTS[leaf]
    return probability


@pytest.fixture(scope="module")
def many_draws():
    """The first three places of many draws."""
    return [draw_leaves(f"seed {number}", WEIGHTS, 3) for number in range(DRAWS)]


def chi_square(found, expected):
    """The sum of squared differences, each over what was expected."""
    assert set(found) <= set(expected)
    return sum((found[key] - n) ** 2 / n for key, n in expected.items())


@pytest.mark.parametrize("place", [0, 1, 2], ids=["1st", "2nd", "3rd"])
def test_each_place_follows_the_weights(many_draws, place):
    """Over many draws, how often each wins a place is what its weight and the places before imply."""
    expected = Counter[str]()
    for order in permutations(WEIGHTS, 3):
        expected[order[place]] += chance(order) * DRAWS
    assert chi_square(Counter(order[place] for order in many_draws), expected) < CHI_SQUARE_4


def test_all_three_places_together_follow_the_weights(many_draws):
    """Every order of three has its exact probability: places do not disturb each other."""
    expected = {order: chance(order) * DRAWS for order in permutations(WEIGHTS, 3)}
    assert chi_square(Counter(many_draws), expected) < CHI_SQUARE_59


def test_the_chi_square_would_find_unweighted_draws():
    """The proof has power: drawing without weights fails it by far."""
    same = [
        draw_leaves(f"seed {number}", dict.fromkeys(WEIGHTS, 1), 1)[0] for number in range(DRAWS)
    ]
    expected = {leaf: weight / 20 * DRAWS for leaf, weight in WEIGHTS.items()}
    assert chi_square(Counter(same), expected) > 10 * CHI_SQUARE_4


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 10**12), min_size=1, max_size=12),
    st.text("0123456789abcdef", min_size=64, max_size=64),
)
def test_nobody_is_drawn_twice_until_all_are(weights, seed):
    """Drawing as many places as there are participants gives each exactly once, whatever the weights."""
    people = {str(number): weight for number, weight in enumerate(weights)}
    assert sorted(draw_leaves(seed, people, len(people))) == sorted(people)


def test_one_who_has_nearly_all_entries_costs_no_tries():
    """The interval of who was drawn is left out, not drawn again: a number of the stream a place."""
    people = {"whale": 10**15, "one": 1, "two": 1}
    taken = 0

    def counted():
        nonlocal taken
        for number in numbers("seed"):
            taken += 1
            yield number

    draw(counted(), total=10**15 + 2, places=3, find=line(people))
    assert taken == 3


def test_numbers_that_would_favour_low_tickets_are_passed_over():
    """Of 2**256 numbers the last ones, that do not fill a whole round, are not used."""
    last = 2**256 - 1
    assert 2**256 % 10 == 6
    assert below(iter([last, last - 5, last - 6]), 10) == (last - 6) % 10 == 9
    assert below(iter([last]), 2**255) == 2**255 - 1


def test_the_stream_is_sha256_of_a_counter():
    """The first numbers of a seed are those that any SHA-256 gives."""
    assert [f"{number:064x}"[:16] for number in islice(numbers("abc"), 2)] == [
        "ef104a3edb5aa34b",
        "4264a8d48590ed94",
    ]
