"""Which uuids the warehouse surely does not have, without looking through all of its history.

A file beside the warehouse has some bits of every uuid that was ever stored (a split block Bloom filter: 32
bits an event, one 64-byte block a uuid). Where a uuid's bits are not all set, no event has it; where they are,
an event may have it, and has to be looked for: of 100,000 new uuids about one. So exactly-once never rests on a
guess: the file must have the bits of all that is stored, and says too much rather than too little.

- Bits are set, and are on disk, before the transaction that stores the events commits. If that is rolled back,
  or the process killed, there are bits too many, which cost a look.
- The warehouse keeps in `uuid_filters` which file is its own and how many uuids were in it. A file that is
  another one, is an older copy, is missing or outgrown is made anew from `raw_events`.

What is done with uuids that may be known is the business of `ingest.py`. Whether the file has all that is
stored is inspected every night (`inspections.py`).
"""

import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_MAGIC = b"leaduuid"
_HEADER_BYTES = 4096
_WORDS = 8
_UUIDS_A_BLOCK = 16
_LEAST_UUIDS = 1 << 16
_SPAN = timedelta(days=31)
# Odd numbers, one a word of a block: which bit of it a uuid sets (those of Parquet's filters).
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
HASHES = "SELECT hash(uuid) AS hash FROM ({})"
"""Of a query that gives `uuid`, what a filter is asked by."""


@dataclass
class UuidFilter:
    """The filter of a warehouse; `open_filter` gives it."""

    path: Path
    header: "np.memmap[tuple[int, ...], np.dtype[np.uint64]]"
    blocks: "np.memmap[tuple[int, ...], np.dtype[np.uint64]]"

    @property
    def file_id(self) -> str:
        """Which file it is: no other has this id."""
        return str(uuid.UUID(bytes=self.header[1:3].tobytes()))

    @property
    def added(self) -> int:
        """How many uuids were added, also by transactions that were rolled back."""
        return int(self.header[4])

    @property
    def capacity(self) -> int:
        """How many it is made for."""
        return len(self.blocks) // _WORDS * _UUIDS_A_BLOCK

    def may_have(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Of each uuid whether it may be stored; False is sure."""
        places, bits = _places_of(hashes, len(self.blocks) // _WORDS)
        found = np.ones(len(hashes), dtype=np.bool_)
        for word in range(_WORDS):
            found &= (self.blocks[places + word] & bits[word]) != 0
        return found

    def add(self, *batches: Hashes) -> None:
        """Set the bits of uuids, for good: they are on disk when it returns."""
        self.add_all(batches)

    def add_all(self, batches: Iterable[Hashes]) -> None:
        """The same of many, which are on disk when all are set."""
        added = 0
        for hashes in batches:
            places, bits = _places_of(np.sort(hashes), len(self.blocks) // _WORDS)
            words = np.asarray(self.blocks)
            for word in range(_WORDS):
                np.bitwise_or.at(words, places + word, bits[word])
            added += len(hashes)
        self.blocks.flush()
        self.header[4] += np.uint64(added)  # a count that is too high would promise bits
        self.header.flush()


def _places_of(hashes: Hashes, blocks: int) -> tuple[NDArray[np.int64], list[Hashes]]:
    """Of each hash its block's first word, and of each word of the block the bit."""
    high = hashes >> np.uint64(32)
    places = ((high * np.uint64(blocks)) >> np.uint64(32)).astype(np.int64) * _WORDS
    low = hashes.astype(np.uint32)
    shifts = [((low * salt) >> np.uint32(26)).astype(np.uint64) for salt in _SALTS]
    return places, [np.uint64(1) << shift for shift in shifts]


def open_filter(connection: duckdb.DuckDBPyConnection) -> UuidFilter | None:
    """The filter of the warehouse, made anew if need be; None for a warehouse in memory.

    Call it in the transaction that stores events, before it stores any.
    """
    path = _path_of(connection)
    if path is None:
        return None
    kept = connection.execute("SELECT file_id, added FROM uuid_filters").fetchone()
    stored, canary = _stored(connection), _canary(connection)
    if kept and (found := _opened(path)) is not None:
        is_whole = found.added >= max(kept[1], stored)
        if is_whole and (found.file_id, int(found.header[5])) == (str(kept[0]), canary):
            return found
    return _made(connection, path, stored)


def remember(
    connection: duckdb.DuckDBPyConnection, known: UuidFilter, hashes: Hashes
) -> UuidFilter:
    """Add uuids that the transaction has stored; a filter that is outgrown is made anew."""
    if known.added + len(hashes) > known.capacity:
        return _made(connection, known.path, _stored(connection))
    known.add(hashes)
    connection.execute("UPDATE uuid_filters SET added = $added", {"added": known.added})
    return known


def hashes_of(connection: duckdb.DuckDBPyConnection, uuids: str) -> Hashes:
    """What a filter is asked by, of a query that gives `uuid`."""
    found = connection.execute(HASHES.format(uuids)).fetchnumpy()["hash"]
    return np.asarray(found, dtype=np.uint64)


def _path_of(connection: duckdb.DuckDBPyConnection) -> Path | None:
    found = connection.execute(
        "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchone()
    return Path(f"{found[0]}.uuids") if found and found[0] else None


def _stored(connection: duckdb.DuckDBPyConnection) -> int:
    found = connection.execute("SELECT count(*) FROM raw_events").fetchone()
    return int(found[0]) if found else 0


def _canary(connection: duckdb.DuckDBPyConnection) -> int:
    found = connection.execute(_CANARY).fetchone()
    return int(found[0]) if found else 0


def _made(connection: duckdb.DuckDBPyConnection, path: Path, stored: int) -> UuidFilter:
    """A new file with all that is stored, and room for as much again, in the place of the one before."""
    capacity = max(_LEAST_UUIDS, 2 * stored // _UUIDS_A_BLOCK * _UUIDS_A_BLOCK)
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.unlink(missing_ok=True)
    with unfinished.open("wb") as file:
        file.truncate(_HEADER_BYTES + capacity // _UUIDS_A_BLOCK * _WORDS * 8)
    unfinished.chmod(0o600)
    found = _mapped(unfinished)
    found.header[0] = np.frombuffer(_MAGIC, dtype=np.uint64)[0]
    found.header[1:3] = np.frombuffer(uuid.uuid4().bytes, dtype=np.uint64)
    found.header[5] = np.uint64(_canary(connection))
    found.add_all(_all_hashes(connection))
    unfinished.replace(path)
    _sync_folder(path.parent)
    connection.execute("DELETE FROM uuid_filters")
    connection.execute("INSERT INTO uuid_filters VALUES (?, ?)", [found.file_id, found.added])
    found.path = path
    return found


def _all_hashes(connection: duckdb.DuckDBPyConnection) -> Iterator[Hashes]:
    """Of all that is stored, a month at a time."""
    days: tuple[date | None, date | None] = connection.execute(
        "SELECT min(event_date), max(event_date) FROM raw_events"
    ).fetchone() or (None, None)
    first, last = days
    while first is not None and last is not None and first <= last:
        until = first + min(_SPAN, date.max - first)
        yield hashes_of(
            connection,
            f"SELECT uuid FROM raw_events WHERE event_date BETWEEN DATE '{first}' AND DATE '{until}'",
        )
        first, last = connection.execute(
            "SELECT min(event_date), max(event_date) FROM raw_events WHERE event_date > $until",
            {"until": until},
        ).fetchone() or (None, None)


def _opened(path: Path) -> UuidFilter | None:
    """The file, if it is one of ours and whole."""
    try:
        size = path.stat().st_size
        if size <= _HEADER_BYTES or (size - _HEADER_BYTES) % (8 * _WORDS):
            return None
        found = _mapped(path)
    except (OSError, ValueError):
        return None
    return found if found.header[:1].tobytes() == _MAGIC else None


def _mapped(path: Path) -> UuidFilter:
    header = np.memmap(path, dtype=np.uint64, mode="r+", shape=(8,))
    blocks = np.memmap(path, dtype=np.uint64, mode="r+", offset=_HEADER_BYTES)
    return UuidFilter(path, header, blocks)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
