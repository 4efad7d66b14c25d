"""Read published tables, without the warehouse file and without waiting for anybody.

`leadpipe.read("listings")` gives a pandas frame; the CLI's read commands use `query`.
"""

import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Timer
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import duckdb

from leadpipe.errors import AnswerTooSlow, NotPublished
from leadpipe.published.tables import table_names
from leadpipe.warehouse import CURRENT, Rows, files_of, memory, rows_of, tables_in, view_table

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
    if not (folder / CURRENT).exists():
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
        return _read(folder, lambda publication: publication.frame(f"SELECT * FROM {table}"))


def query_frame(folder: Path, sql: str) -> "pd.DataFrame":
    """The answer to a SELECT over the published tables, as a pandas frame.

    Raises:
        NotPublished: no run has published anything yet, or the publication lacks a table.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # as in read_frame
        return _read(folder, lambda publication: publication.frame(sql))


@dataclass(frozen=True)
class Answer:
    """The first rows of an answer.

    Args:
        publication: which publication was asked; another one may have another answer.
        rows: at most as many as were wanted.
        is_cut: whether there are more.
    """

    publication: str
    rows: Rows
    is_cut: bool


def first_rows(folder: Path, sql: str, *, most_rows: int, seconds: float) -> Answer:
    """The first rows of a SELECT over the published tables without personal data.

    Args:
        folder: of the publications.
        sql: the SELECT, without parameters.
        most_rows: how many rows at most.
        seconds: how long it may take.

    Raises:
        AnswerTooSlow: it took longer.
        NotPublished: no run has published anything yet, or the publication lacks a table, or it is personal.
    """

    def read(publication: Publication) -> Answer:
        rows = publication.ask_within(sql, seconds=seconds, most_rows=most_rows + 1)
        cut = Rows(rows.columns, rows.rows[:most_rows])
        return Answer(publication.name, cut, is_cut=len(rows.rows) > most_rows)

    return _read(folder, read, with_personal=False)


def current_publication(folder: Path) -> tuple[str, datetime]:
    """Which publication is current: a name that no other one has, and when it was made (UTC).

    Raises:
        NotPublished: there is none.
    """
    current = publication_folder(folder)
    made = current.stat().st_mtime_ns
    return _name_of(current), datetime.fromtimestamp(made / 1e9, UTC)


def published_tables(folder: Path) -> Rows:
    """The tables of the current publication: `table`, `rows`, `is_personal` and `files`, a pattern.

    Raises:
        NotPublished: there is none.
    """

    def read(publication: Publication) -> Rows:
        return Rows(("table", "rows", "is_personal", "files"), tuple(publication.tables()))

    return _read(folder, read)


def views_sql(folder: Path, *, with_personal: bool = False) -> str:
    """Statements that make a view of each published table, for a DuckDB of one's own.

    The views follow `current`, so they have what is published whenever they are read. Tables with personal
    data have no such link: their views are of the publication that is current now.

    Raises:
        NotPublished: there is none.
    """
    current = publication_folder(folder)
    shared = tables_in(current, with_personal=False)
    lines = [
        f"-- The published tables in {folder}; they are read when they are asked for.",
        "SET TimeZone = 'UTC';",
        *(_view(table, files_of(folder / CURRENT, table)) for table in shared),
    ]
    if with_personal:
        personal = sorted({*tables_in(current)} - {*shared})
        lines += [f"-- With personal data, of publication {current.name} alone."]
        lines += [_view(table, files_of(current, table)) for table in personal]
    return "\n".join(lines) + "\n"


def _view(table: str, files: str) -> str:
    path = files.replace("'", "''")
    return f"CREATE OR REPLACE VIEW {table} AS SELECT * FROM read_parquet('{path}');"


class Publication:
    """The tables of one publication, each opened when a question names it."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, folder: Path, *, with_personal: bool = True
    ) -> None:
        self.name = _name_of(folder)
        self._connection = connection
        self._folder = folder
        self._unopened = set(tables_in(folder, with_personal=with_personal))

    def ask(self, sql: str, parameters: Parameters | None = None) -> Rows:
        """The rows of a query.

        Raises:
            NotPublished: the publication lacks a table.
        """
        self._open(sql)
        try:
            with _without_pandas():
                return rows_of(self._connection.execute(sql, parameters or None))
        except duckdb.CatalogException as error:
            raise self._lacking(error) from error

    def tables(self) -> Iterator[tuple[object, ...]]:
        """Name, rows, whether it is personal, and files of each table."""
        shared = tables_in(self._folder, with_personal=False)
        for table in tables_in(self._folder):
            [(rows,)] = self.ask(f"SELECT count(*) FROM {table}").rows
            where = self._folder.parent / CURRENT if table in shared else self._folder
            yield table, rows, table not in shared, files_of(where, table)

    def ask_within(self, sql: str, *, seconds: float, most_rows: int) -> Rows:
        """The first rows of a query that may take so long.

        Raises:
            AnswerTooSlow: it took longer.
        """
        timer = Timer(seconds, self._connection.interrupt)
        timer.daemon = True
        timer.start()
        try:
            # Nothing but the rows wanted leaves DuckDB, whatever the SELECT gives.
            return self.ask(f"SELECT * FROM ({sql}\n) LIMIT {most_rows}")
        except duckdb.InterruptException as error:
            raise AnswerTooSlow(f"The answer took longer than {seconds:g} seconds.") from error
        finally:
            timer.cancel()

    def frame(self, sql: str) -> "pd.DataFrame":
        """The answer to a query as a frame."""
        self._open(sql)
        try:
            return self._connection.execute(sql).df()
        except duckdb.CatalogException as error:
            raise self._lacking(error) from error

    def _lacking(self, error: duckdb.CatalogException) -> NotPublished:
        return NotPublished(
            f"{self._folder} was published by an older leadpipe ({error}). Run `leadpipe sync` once."
        )

    def touch(self) -> None:
        """Read something of every table."""
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
        modules.pop("pandas", None)  # another thread may have done it


def _read(
    folder: Path, read: Callable[[Publication], _Answer], *, with_personal: bool = True
) -> _Answer:
    """Read the current publication; once more if it was replaced and removed under our hands."""

    def read_one(current: Path) -> _Answer:
        with memory() as connection:
            return read(Publication(connection, current, with_personal=with_personal))

    for _ in range(_TRIES - 1):
        current = publication_folder(folder)
        try:
            return read_one(current)
        except (duckdb.IOException, FileNotFoundError):
            if current == publication_folder(folder):
                raise
    return read_one(publication_folder(folder))


def _name_of(publication: Path) -> str:
    """A name that no other publication has: numbers begin anew where the folder was removed."""
    return f"{publication.name} {publication.stat().st_mtime_ns}"


def publication_folder(folder: Path) -> Path:
    """The folder of the publication that readers see now.

    Raises:
        NotPublished: there is none yet.
    """
    current = folder / CURRENT
    if not current.exists():
        raise NotPublished(
            f"Nothing is published in {folder} yet. Run `leadpipe sync` (or `make demo`) first."
        )
    return current.resolve()
