"""Read a date's participants as the list to draw from: hidden leaves in order, and the tree over them."""

import hashlib
from binascii import unhexlify
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from leadpipe.draws.hashing import leaf_of, salt_of, salt_prefix
from leadpipe.draws.tree import ROW, SumTree, build_tree, sorted_rows
from leadpipe.errors import UnknownDraw
from leadpipe.warehouse import another_cursor, read_sql

_READ_AT_ONCE = 122_880  # a row group of DuckDB
_READERS = 2


@dataclass(frozen=True, repr=False)
class FrozenList:
    """The tree over all participants, the hash of their rows, and the MSISDN of each leaf in their order."""

    tree: SumTree
    sha256: str
    msisdns: NDArray[np.uint64]
    list_key: str

    def msisdn_of(self, leaf: str) -> str:
        """Who a leaf is.

        Raises:
            UnknownDraw: the leaf is not in the list.
        """
        index = self.tree.index_of(leaf)
        if index is None:
            raise UnknownDraw(f"The list has no leaf {leaf}")
        msisdn = str(self.msisdns[index])
        if leaf_of(salt_of(self.list_key, msisdn), msisdn) != leaf:
            raise RuntimeError(
                f"leaf {leaf} belongs to somebody else: the rows were read out of order"
            )
        return msisdn


def read_list(connection: duckdb.DuckDBPyConnection, draw_date: date, list_key: str) -> FrozenList:
    """The participants of a date, as they are committed, hidden with a key; there must be at least one."""
    first, last, count = connection.execute(
        "SELECT min(rowid), max(rowid), count(*) FROM draw_participants WHERE draw_date = ?",
        [draw_date],
    ).fetchall()[0]
    sql = read_sql("draws", "leaves.sql")

    def read(start: int) -> tuple[NDArray[np.void], NDArray[np.uint64]]:
        end = start + _READ_AT_ONCE - 1
        bound = {"draw_date": draw_date, "salt": salt_prefix(list_key), "first": start, "last": end}
        with another_cursor(connection) as cursor:
            part: dict[str, Any] = cursor.execute(sql, bound).fetchnumpy()
        return np.frombuffer(unhexlify(part["rows"][0]), ROW), part["msisdns"][0]

    rows, msisdns, read_so_far = np.empty(count, ROW), np.empty(count, np.uint64), 0
    # DuckDB makes one text of many rows without Python's lock: one reader hashes while another decodes.
    with ThreadPoolExecutor(_READERS) as pool:
        for part, people in pool.map(read, range(first, last + 1, _READ_AT_ONCE)):
            there = slice(read_so_far, read_so_far + len(part))
            rows[there], msisdns[there] = part, people
            read_so_far += len(part)
    if read_so_far != count:
        raise RuntimeError(f"{count} participants of {draw_date}, but {read_so_far} were read")
    placed, order = sorted_rows(rows)
    del rows
    with ThreadPoolExecutor(1) as beside:  # hashing 200 MB needs no lock of Python's
        digest = beside.submit(lambda: hashlib.sha256(placed).hexdigest())
        tree = build_tree(placed)
    return FrozenList(tree, digest.result(), msisdns[order], list_key)
