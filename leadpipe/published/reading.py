"""Read published tables, without the warehouse file and without waiting for anybody.

`leadpipe.read("listings")` gives a pandas frame; the CLI's read commands use `query`.
"""

import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import duckdb

from leadpipe.errors import NotPublished
from leadpipe.published.tables import table_names
from leadpipe.warehouse import Rows, memory, rows_of, tables_in, view_table

if TYPE_CHECKING:
    import pandas as pd

_Answer = TypeVar("_Answer")
Parameters = Mapping[str, object] | Sequence[object]
Ask = Callable[..., Rows]
_TRIES = 5
_WORD = re.compile(r"\w+")


def query(folder: Path, sql: str, parameters: Parameters = ()) -> Rows:
    """Run a SELECT over the published tables, each a view of its name.

    Raises:
        NotPublished: no run has published anything yet, or the publication lacks a table.
    """
    return _read(folder, lambda publication: publication.ask(sql, parameters))


def read_together(folder: Path, read: Callable[[Ask], _Answer]) -> _Answer:
    """Let `read` ask several questions of one publication, as `ask(sql, parameters)`.

    Raises:
        NotPublished: no run has published anything yet; from `ask`, the publication lacks a table.
    """
    return _read(folder, lambda publication: read(publication.ask))


def check(folder: Path) -> None:
    """Look whether every published table can be read; before the first publication there is nothing to read.

    Raises:
        NotPublished: a file is damaged, or may not be read.
    """
    if not (folder / "current").exists():
        return
    try:
        _read(folder, lambda publication: publication.touch())
    except (duckdb.Error, OSError) as error:
        raise NotPublished(
            f"The published tables in {folder} cannot be read: {error}. "
            "Run `leadpipe rebuild` to publish them anew."
        ) from error


def read_frame(folder: Path, table: str) -> "pd.DataFrame":
    """A published table as a pandas frame.

    Raises:
        NotPublished: no such table, or nothing published yet.
    """
    if table not in table_names():
        raise NotPublished(f"{table!r} is not published; choose one of {', '.join(table_names())}")
    with warnings.catch_warnings():
        # DuckDB 1.5 turns times into frames in a way that pandas 3 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        return _read(folder, lambda publication: publication.frame(table))


class _Publication:
    """The tables of one publication, each opened when a question names it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._unopened = set(tables_in(folder))

    def ask(self, sql: str, parameters: Parameters | None = None) -> Rows:
        self._open(sql)
        try:
            with _without_pandas():
                return rows_of(self._connection.execute(sql, parameters or None))
        except duckdb.CatalogException as error:
            raise NotPublished(
                f"{self._folder} was published by an older leadpipe ({error}). "
                "Run `leadpipe sync` once."
            ) from error

    def frame(self, table: str) -> "pd.DataFrame":
        self._open(table)
        return self._connection.execute(f"SELECT * FROM {table}").df()

    def touch(self) -> None:
        for table in sorted(self._unopened):
            self._open(table)
            self._connection.execute(f"SELECT 1 FROM {table} LIMIT 1")

    def _open(self, sql: str) -> None:
        for table in self._unopened.intersection(_WORD.findall(sql)):
            view_table(self._connection, self._folder, table)
            self._unopened.remove(table)


@contextmanager
def _without_pandas() -> Iterator[None]:
    """Bind values without importing pandas, which DuckDB does to recognise its missing values: 0.3 s CPU."""
    if "pandas" in sys.modules:
        yield
        return
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    modules["pandas"] = None  # Python's way to say that it cannot be imported
    try:
        yield
    finally:
        del modules["pandas"]


def _read(folder: Path, read: Callable[[_Publication], _Answer]) -> _Answer:
    """Read the current publication; once more if it was replaced and removed under our hands."""
    for _ in range(_TRIES - 1):
        current = _current(folder)
        try:
            return _read_one(current, read)
        except (duckdb.IOException, FileNotFoundError):
            if current == _current(folder):
                raise
    return _read_one(_current(folder), read)


def _read_one(current: Path, read: Callable[[_Publication], _Answer]) -> _Answer:
    with memory() as connection:
        return read(_Publication(connection, current))


def _current(folder: Path) -> Path:
    current = folder / "current"
    if not current.exists():
        raise NotPublished(
            f"Nothing is published in {folder} yet. Run `leadpipe sync` (or `make demo`) first."
        )
    return current.resolve()
