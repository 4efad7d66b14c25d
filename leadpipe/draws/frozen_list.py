"""Read a date's participants as the list to draw from: hidden leaves in order, and the tree over them."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
from numpy.typing import NDArray

from leadpipe.draws.tree import SumTree, build_tree, leaf_order, rows_of_words
from leadpipe.errors import UnknownDraw
from leadpipe.warehouse import read_sql

_COLUMNS = ("entries", "msisdn", "word_1", "word_2", "word_3", "word_4")
_FETCHED_AT_ONCE = 1 << 20


@dataclass(frozen=True, repr=False)
class FrozenList:
    """The tree over all participants, the hash of their rows, and the MSISDN of each leaf in their order."""

    tree: SumTree
    sha256: str
    msisdns: NDArray[np.uint64]

    def msisdn_of(self, leaf: str) -> str:
        """Who a leaf is.

        Raises:
            UnknownDraw: the leaf is not in the list.
        """
        index = self.tree.index_of(leaf)
        if index is None:
            raise UnknownDraw(f"The list has no leaf {leaf}")
        return str(self.msisdns[index])


def read_list(connection: duckdb.DuckDBPyConnection, draw_date: date, list_key: str) -> FrozenList:
    """The participants of a date, hidden with a key; there must be at least one."""
    # A table first: DuckDB hashes on all cores into it, but on one for a result that is fetched.
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE leaves AS {read_sql('draws', 'leaves.sql')}",
        {"draw_date": draw_date, "list_key": list_key},
    )
    found = connection.execute("SELECT count(*) FROM leaves").fetchone()
    count = int(found[0]) if found else 0
    columns = {name: np.empty(count, np.uint64) for name in _COLUMNS}
    # In parts, for memory. Rows of one fetch belong together; two fetches may differ in their order.
    for start in range(0, count, _FETCHED_AT_ONCE):
        part = connection.execute(
            f"FROM leaves WHERE rowid >= {start} AND rowid < {start + _FETCHED_AT_ONCE}"
        ).fetchnumpy()
        for name, values in columns.items():
            values[start : start + _FETCHED_AT_ONCE] = part[name]
    connection.execute("DROP TABLE leaves")
    words = [columns.pop(f"word_{number}") for number in (1, 2, 3, 4)]
    order = leaf_order(words)
    rows = rows_of_words(columns.pop("entries"), words, order)
    with ThreadPoolExecutor(1) as beside:  # hashing 200 MB needs no lock of Python's
        digest = beside.submit(lambda: hashlib.sha256(rows).hexdigest())
        tree = build_tree(rows)
    return FrozenList(tree, digest.result(), columns["msisdn"][order])
