"""The sum tree: whatever its size, it finds the holder of every entry and proves each participant."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadpipe.draws.frozen_list import read_list
from leadpipe.draws.hashing import FAN_OUT, leaf_of, salt_of
from leadpipe.draws.opened_tree import open_tree
from leadpipe.draws.tree import build_tree, leaf_order, rows_of_leaves, rows_of_words
from leadpipe_tests.draws.builders import DRAW_DATE, KEY, give_entries, msisdn

SIZES = st.one_of(st.integers(1, 40), st.sampled_from([FAN_OUT**2 - 1, FAN_OUT**2, FAN_OUT**2 + 1]))


def leaves_of(entries):
    """A leaf a participant, made up of their number."""
    return [(hashlib.sha256(b"%d" % n).hexdigest(), one) for n, one in enumerate(entries)]


@settings(max_examples=40, deadline=None)
@given(st.data(), SIZES)
def test_every_entry_has_its_holder(data, size):
    """In the order of leaves each participant has exactly as many positions as entries."""
    entries = data.draw(st.lists(st.integers(1, 50), min_size=size, max_size=size))
    people = leaves_of(entries)
    tree = build_tree(rows_of_leaves(people))
    assert (tree.participants, tree.total) == (size, sum(entries))
    start = 0
    for leaf, one in sorted(people):
        for position in {start, start + one - 1}:
            found = tree.find(position)
            assert (found.start, found.entries, found.leaf) == (start, one, leaf)
        start += one


@settings(max_examples=40, deadline=None)
@given(st.data(), SIZES)
def test_what_is_cut_out_opens_to_the_root(data, size):
    """A cut shows the leaves asked for, at their place in the line, under the same root and total."""
    people = leaves_of([1 + n % 7 for n in range(size)])
    wanted = set(data.draw(st.lists(st.sampled_from(people), min_size=1, max_size=5)))
    tree = build_tree(rows_of_leaves(people))
    announced = {"participants": size, "root": tree.root, "total_entries": tree.total}
    shown = {one.leaf: one for one in open_tree(tree.cut(leaf for leaf, _ in wanted), announced)}
    assert all(shown[leaf] == tree.find(shown[leaf].start) for leaf, _ in wanted)
    assert {(leaf, shown[leaf].entries) for leaf, _ in wanted} == wanted


def test_the_warehouse_gives_the_same_tree_in_any_order_of_rows(warehouse):
    """DuckDB's and numpy's way to the tree ends where pure Python's does, however the rows lie."""
    people = {msisdn(n): 1 + n * 37 % 90 for n in range(5_000)}
    plain = rows_of_leaves((leaf_of(salt_of(KEY, who), who), n) for who, n in people.items())
    for order in (people, dict(sorted(people.items(), key=lambda item: item[0][::-1]))):
        give_entries(warehouse, order)
        with warehouse.connect() as connection:
            read = read_list(connection, DRAW_DATE, KEY)
        assert bytes(read.tree.levels[0]) == bytes(plain)
        assert read.tree.root == build_tree(plain).root
        assert read.sha256 == hashlib.sha256(plain).hexdigest()
        leaf = leaf_of(salt_of(KEY, msisdn(77)), msisdn(77))
        assert read.msisdn_of(leaf) == msisdn(77)


def test_equal_first_words_are_told_apart_by_the_others():
    """Leaves that begin with the same 8 bytes are in the order of the rest; equal ones are refused."""
    first, last = np.array([7, 7, 3], np.uint64), np.array([9, 4, 0], np.uint64)
    zeros = np.zeros(3, np.uint64)
    order = leaf_order([first, zeros, zeros, last])
    assert order.tolist() == [2, 1, 0]
    rows = rows_of_words(np.array([1, 2, 3], np.uint64), [first, zeros, zeros, last], order)
    assert bytes(rows)[:8] == (3).to_bytes(8, "big")
    with pytest.raises(ValueError, match="same leaf"):
        leaf_order([first, zeros, zeros, zeros])
