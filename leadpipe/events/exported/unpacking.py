"""JSON Lines in brotli, which DuckDB does not read: unpacked to the disk for as long as they are taken.

Brotli has no mark of its own: a file is such if its beginning unpacks to a line of JSON, or to nothing.
Memory stays flat. What a file may unpack to is bounded by its own size and by the disk; one that is cut off
is found out before a row of it is read. Other packings are DuckDB's business.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import brotli

from leadpipe.errors import DiskFull, ExportedFileError
from leadpipe.events.exported.files import damaged

_HEAD_BYTES = 65_536
_READ_BYTES = 1_000_000
_WRITTEN_BYTES = 4_000_000
_SPARE_BYTES = 200_000_000  # of the disk, for the warehouse to write in meanwhile
_LARGEST_RATIO = 1_000  # JSON Lines of events unpack to 10 to 60 times their size
_ANY_RATIO_BYTES = 64_000_000  # unless they are small: a line repeated packs well
_OTHERS = (b"PAR1", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"{")


@contextmanager
def unpacked(path: Path, *, name: str, folder: Path) -> Iterator[Path]:
    """The file itself, or while it is used what a brotli file unpacks to.

    Args:
        path: the file; whether it can be opened is for its reader to tell.
        name: by which people know it.
        folder: of the caller's own, for what is unpacked.

    Raises:
        ExportedFileError: it is cut off, damaged, or unpacks to more than an export does.
        DiskFull: what it unpacks to does not fit.
    """
    if not _is_brotli(path):
        yield path
        return
    folder.mkdir(parents=True, exist_ok=True)
    to = folder / f"unpacked-{path.stat().st_ino}.jsonl"
    try:
        _unpack(path, to, name)
        yield to
    finally:
        to.unlink(missing_ok=True)


def _is_brotli(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    if not head or head.startswith(_OTHERS):
        return False
    decompressor = brotli.Decompressor()
    try:
        begin = decompressor.process(head, output_buffer_limit=_HEAD_BYTES)
    except brotli.error:
        return False
    if begin:
        return bytes(begin).lstrip().startswith(b"{")
    # Nothing yet: an export without a row, or a first block that is longer than this.
    return path.name.endswith(".br") or decompressor.is_finished()


def _unpack(path: Path, to: Path, name: str) -> None:
    decompressor = brotli.Decompressor()
    most = max(path.stat().st_size * _LARGEST_RATIO, _ANY_RATIO_BYTES)
    written = 0
    try:
        with path.open("rb") as packed, to.open("wb") as lines:
            while not decompressor.is_finished():
                is_hungry = decompressor.can_accept_more_data()
                piece = packed.read(_READ_BYTES) if is_hungry else b""
                out = decompressor.process(piece, output_buffer_limit=_WRITTEN_BYTES)
                # Without a byte more there may still be some of what was held back by the limit.
                if is_hungry and not (piece or out or decompressor.is_finished()):
                    raise damaged(name)
                written += len(out)
                if written > most:
                    raise ExportedFileError(
                        f"{name} unpacks to more than {most / 1e6:,.0f} MB, {_LARGEST_RATIO:,} times "
                        "its size: no export of events does. Nothing of it was loaded. Fetch it again "
                        "from where it came."
                    )
                _refuse_a_full_disk(to.parent, name, written)
                lines.write(out)
            if packed.read(1):
                raise damaged(name)
    except brotli.error:
        raise damaged(name) from None
    except OSError as error:
        raise _full(name, to.parent, error.strerror or "it cannot be written") from None


def _refuse_a_full_disk(folder: Path, name: str, written: int) -> None:
    if (free := shutil.disk_usage(folder).free) < _SPARE_BYTES:
        raise _full(
            name,
            folder,
            f"{written / 1e6:,.0f} MB of it are unpacked, and {free / 1e6:,.0f} MB are left",
        )


def _full(name: str, folder: Path, why: str) -> DiskFull:
    return DiskFull(
        f"{name} does not fit into {folder.parent} unpacked: {why}. Make room there, and take it again; or "
        "export as Parquet, which is read as it is."
    )
