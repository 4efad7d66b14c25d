"""Other processes that have the warehouse: whoever opens it waits for them."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leadpipe.settings import Settings
from leadpipe.warehouse import Warehouse

_HOLDER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def file_of(place: Warehouse | Settings) -> Path:
    """The file that one process has at a time: a warehouse's, or the catalog of a lake on this machine."""
    if place.lake is not None:
        return Path(place.lake.catalog)
    return place.path if isinstance(place, Warehouse) else place.warehouse_path


@contextmanager
def another_process_in(place: Warehouse | Settings) -> Iterator[int]:
    """Another process has it meanwhile; its id."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(file_of(place))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process.pid
        finally:
            process.kill()


def lose(warehouse: Warehouse) -> None:
    """Remove a warehouse as a lost disk would: its file, or the catalog and files of a lake."""
    file_of(warehouse).unlink()
    if warehouse.lake is not None:
        shutil.rmtree(warehouse.lake.data)
