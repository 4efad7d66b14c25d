"""Which keys a table surely does not have, without looking through all of it.

A file beside the warehouse has some bits of every key that was ever stored (a split block Bloom filter: 32
bits a key, in one block of 64 bytes). Where a key's bits are not all set, the table does not have it; where
they are, it may, and has to be looked for: of 100,000 new keys about one. So nothing rests on a guess: a file
must have the bits of all that is stored, and says too much rather than too little.

- Bits are set, and are on disk, before the transaction that stores the keys commits. If that is rolled back,
  or the process killed, there are bits too many, which cost a look.
- The warehouse keeps in `key_filters` which file is whose and how many keys were in it. A file that is
  another one, is an older copy, is missing or outgrown is made anew from the table.

Which keys those are is the business of the domains.
"""

import mmap
import os
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from leadpipe.warehouse.sql import has_table

Hashes = NDArray[np.uint64]

_MAGIC = b"leadkeys"
_HEADER_BYTES = 4096
_WORDS = 8
_KEYS_A_BLOCK = 16
_LEAST_KEYS = 1 << 14
_AT_ONCE = 1 << 16  # keys: their places and bits take 72 bytes each
# Odd numbers, one a word of a block: which bit of it a key sets (those of Parquet's filters).
_SALTS = np.array(
    [
        0x47B6137B,
        0x44974D91,
        0x8824AD5B,
        0xA2B7289D,
        0x705495C7,
        0x2DF1424B,
        0x9EFC4947,
        0x5C6BFB31,
    ],
    dtype=np.uint32,
)
# DuckDB's hash may be another one in another version: then a file is of no use.
_CANARY = "SELECT hash('00000000-0000-4000-8000-000000000001'::UUID)"


@dataclass(frozen=True)
class Keys:
    """The keys of a table, or of a part of it.

    Args:
        name: of the filter, which is the file's.
        stored: SELECTs that together give `hash`, the hash of each key that is stored.
        at_least: how many are stored at least: a file of fewer is made anew.
    """

    name: str
    stored: Callable[[], Iterable[str]]
    at_least: int = 0


@dataclass
class KeyFilter:
    """A filter that is open; `open_filters` gives it."""

    keys: Keys
    path: Path
    file: mmap.mmap
    header: Hashes
    blocks: Hashes

    @property
    def file_id(self) -> str:
        """Which file it is: no other has this id."""
        return str(uuid.UUID(bytes=self.header[1:3].tobytes()))

    @property
    def added(self) -> int:
        """How many keys were added, also by transactions that were rolled back."""
        return int(self.header[4])

    @property
    def canary(self) -> int:
        """What DuckDB's hash was when it was made."""
        return int(self.header[5])

    @property
    def capacity(self) -> int:
        """How many it is made for."""
        return len(self.blocks) // _WORDS * _KEYS_A_BLOCK

    def may_have(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Of each key whether it may be stored; False is sure."""
        found = np.ones(len(hashes), dtype=np.bool_)
        for start in range(0, len(hashes), _AT_ONCE):
            places, bits = _places_of(hashes[start : start + _AT_ONCE], len(self.blocks) // _WORDS)
            for word in range(_WORDS):
                found[start : start + _AT_ONCE] &= (self.blocks[places + word] & bits[word]) != 0
        return found

    def add(self, batches: Iterable[Hashes]) -> None:
        """Set the bits of keys, for good: they are on disk when it returns."""
        added = 0
        for hashes in batches:
            ordered = np.sort(hashes)
            for start in range(0, len(ordered), _AT_ONCE):
                places, bits = _places_of(
                    ordered[start : start + _AT_ONCE], len(self.blocks) // _WORDS
                )
                for word in range(_WORDS):
                    np.bitwise_or.at(self.blocks, places + word, bits[word])
            added += len(hashes)
        self.file.flush()
        self.header[4] += np.uint64(added)  # a count that is too high would promise bits
        self.file.flush(0, _HEADER_BYTES)


def _places_of(hashes: Hashes, blocks: int) -> tuple[NDArray[np.int64], list[Hashes]]:
    """Of each hash its block's first word, and of each word of the block the bit."""
    high = hashes >> np.uint64(32)
    places = ((high * np.uint64(blocks)) >> np.uint64(32)).astype(np.int64) * _WORDS
    low = hashes.astype(np.uint32)
    shifts = [((low * salt) >> np.uint32(26)).astype(np.uint64) for salt in _SALTS]
    return places, [np.uint64(1) << shift for shift in shifts]


def open_filters(
    connection: duckdb.DuckDBPyConnection, wanted: Sequence[Keys]
) -> list[KeyFilter] | None:
    """The filters of keys, made anew where need be; None for a warehouse in memory, and for a lake.

    What others have stored in a lake would not be in a file of this machine.

    Call it in the transaction that stores keys, before it stores any.
    """
    folder = _folder_of(connection)
    if folder is None:
        return None
    connection.execute(
        "CREATE TABLE IF NOT EXISTS key_filters "
        "(name VARCHAR NOT NULL, file_id VARCHAR NOT NULL, added BIGINT NOT NULL)"
    )
    rows = connection.execute("SELECT name, file_id, added FROM key_filters").fetchall()
    known = {name: (file_id, added) for name, file_id, added in rows}
    canary = _canary(connection)
    found: list[KeyFilter] = []
    for keys in wanted:
        file_id, added = known.get(keys.name, ("", 0))
        there = _opened(keys, folder / keys.name) if file_id else None
        if (
            there is None
            or (there.file_id, there.canary) != (file_id, canary)
            or there.added < max(added, keys.at_least)
        ):
            there = _made(connection, keys, folder)
        found.append(there)
    return found


def look_through(
    known: Iterable[KeyFilter], hashes: Hashes, look: Callable[[KeyFilter, Hashes], Hashes]
) -> None:
    """Look for keys part by part, in each only for those that its filter may have.

    `look` looks in the part of a filter for some keys, and gives those that other parts are to be asked for.
    """
    left = np.unique(hashes)
    for each in known:
        if len(some := left[each.may_have(left)]):
            left = np.setdiff1d(left, np.setdiff1d(some, look(each, some)))


def remember_keys(
    connection: duckdb.DuckDBPyConnection, known: KeyFilter, hashes: Hashes
) -> KeyFilter:
    """Add keys that the transaction has stored; a filter that is outgrown is made anew."""
    if known.added + len(hashes) > known.capacity:
        return _made(connection, known.keys, known.path.parent)
    known.add([hashes])
    _note(connection, known)
    return known


def forget_filters(connection: duckdb.DuckDBPyConnection, prefix: str) -> None:
    """Have the filters whose names begin so made anew when they are next opened."""
    if has_table(connection, "key_filters"):
        connection.execute(
            "DELETE FROM key_filters WHERE starts_with(name, $prefix)", {"prefix": prefix}
        )


def hashes_of(connection: duckdb.DuckDBPyConnection, query: str) -> Hashes:
    """What a filter is asked by: the column `hash` of a query, UBIGINT, without NULL."""
    return np.asarray(connection.execute(query).fetchnumpy()["hash"], dtype=np.uint64)


def _note(connection: duckdb.DuckDBPyConnection, known: KeyFilter) -> None:
    name = {"name": known.keys.name}
    connection.execute("DELETE FROM key_filters WHERE name = $name", name)
    connection.execute(
        "INSERT INTO key_filters VALUES ($name, $file_id, $added)",
        name | {"file_id": known.file_id, "added": known.added},
    )


def _folder_of(connection: duckdb.DuckDBPyConnection) -> Path | None:
    found = connection.execute(
        "SELECT path FROM duckdb_databases() "
        "WHERE database_name = current_database() AND type = 'duckdb'"
    ).fetchone()
    return Path(f"{found[0]}.filters") if found and found[0] else None


def _canary(connection: duckdb.DuckDBPyConnection) -> int:
    found = connection.execute(_CANARY).fetchone()
    return int(found[0]) if found else 0


def _made(connection: duckdb.DuckDBPyConnection, keys: Keys, folder: Path) -> KeyFilter:
    """A new file with all that is stored, and room for as much again, in the place of the one before."""
    folder.mkdir(mode=0o700, exist_ok=True)
    queries = list(keys.stored())
    counted = [
        connection.execute(f"SELECT count(*) FROM ({query})").fetchone() for query in queries
    ]
    stored = sum(int(row[0]) for row in counted if row)
    capacity = max(_LEAST_KEYS, 2 * stored // _KEYS_A_BLOCK * _KEYS_A_BLOCK)
    path = folder / keys.name
    unfinished = folder / f".{keys.name}.part"
    unfinished.unlink(missing_ok=True)
    with unfinished.open("wb") as file:
        _reserve(file.fileno(), _HEADER_BYTES + capacity // _KEYS_A_BLOCK * _WORDS * 8)
    unfinished.chmod(0o600)
    found = _mapped(keys, unfinished)
    found.header[0] = np.frombuffer(_MAGIC, dtype=np.uint64)[0]
    found.header[1:3] = np.frombuffer(os.urandom(16), dtype=np.uint64)
    found.header[5] = np.uint64(_canary(connection))
    found.add(hashes_of(connection, query) for query in queries)
    unfinished.replace(path)
    _sync_folder(folder)
    found.path = path
    _note(connection, found)
    return found


def _reserve(descriptor: int, size: int) -> None:
    """Have room on the disk: a full one is an error here, where later it would end the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:  # macOS
        os.truncate(descriptor, size)


def _opened(keys: Keys, path: Path) -> KeyFilter | None:
    """The file, if it is one of ours and whole."""
    try:
        size = path.stat().st_size
        if size <= _HEADER_BYTES or (size - _HEADER_BYTES) % (8 * _WORDS):
            return None
        found = _mapped(keys, path)
    except (OSError, ValueError):
        return None
    return found if found.header[:1].tobytes() == _MAGIC else None


def _mapped(keys: Keys, path: Path) -> KeyFilter:
    with path.open("r+b") as opened:
        file = mmap.mmap(opened.fileno(), 0)
    words = np.frombuffer(file, dtype=np.uint64)
    return KeyFilter(keys, path, file, words[:8], words[_HEADER_BYTES // 8 :])


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
