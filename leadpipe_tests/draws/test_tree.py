"""The sum tree: whatever its size, it finds the holder of every entry and proves each participant."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadpipe.draws.frozen_list import read_list
from leadpipe.draws.hashing import FAN_OUT, leaf_of, row, salt_of
from leadpipe.draws.opened_tree import open_tree
from leadpipe.draws.tree import ROW, build_tree, sorted_rows
from leadpipe_tests.draws.builders import DRAW_DATE, KEY, give_entries, msisdn, rows_of_leaves

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


def test_the_warehouse_gives_the_same_tree_in_any_order_of_rows(warehouse, monkeypatch):
    """DuckDB's and numpy's way to the tree ends where pure Python's does, however its rows lie."""
    monkeypatch.setattr("leadpipe.draws.frozen_list._READ_AT_ONCE", 700)
    others = {msisdn(n): 1 for n in range(2_000)}
    people = {msisdn(n): 1 + n * 37 % 90 for n in range(5_000)}
    plain = rows_of_leaves((leaf_of(salt_of(KEY, who), who), n) for who, n in people.items())
    for order in (people, dict(sorted(people.items(), key=lambda item: item[0][::-1]))):
        give_entries(warehouse, others, DRAW_DATE - timedelta(days=1))
        give_entries(warehouse, order)
        with warehouse.connect() as connection:
            read = read_list(connection, DRAW_DATE, KEY)
        assert bytes(read.tree.levels[0]) == bytes(plain)
        assert read.tree.root == build_tree(plain).root
        assert read.sha256 == hashlib.sha256(plain).hexdigest()
        leaf = leaf_of(salt_of(KEY, msisdn(77)), msisdn(77))
        assert read.msisdn_of(leaf) == msisdn(77)
        shifted = replace(read, msisdns=read.msisdns[::-1])
        with pytest.raises(RuntimeError, match="belongs to somebody else"):
            shifted.msisdn_of(leaf)


def test_equal_first_words_are_told_apart_by_the_others():
    """Leaves that begin with the same 8 bytes are in the order of the rest; equal ones are refused."""
    leaves = [bytes([7] * 8 + [0] * 16 + [*rest]) for rest in ([9] * 8, [4] * 8)] + [bytes(32)]
    rows = np.frombuffer(b"".join(row(n, leaf) for n, leaf in enumerate(leaves, 1)), ROW)
    placed, order = sorted_rows(rows)
    assert order.tolist() == [2, 1, 0]
    assert bytes(placed) == b"".join(row(n, leaves[n - 1]) for n in (3, 2, 1))
    with pytest.raises(ValueError, match="same leaf"):
        sorted_rows(rows[[0, 2, 0]])
