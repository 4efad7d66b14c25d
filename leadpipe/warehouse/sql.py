"""SQL and HogQL as files beside the code that runs them, and the rows a query gives.

One SELECT a file, `$parameters` (or `{placeholders}` in HogQL) only. No templates.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

import duckdb


@dataclass(frozen=True)
class Rows:
    """The answer to a query: column names, and rows as tuples of Python values."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    def as_dicts(self) -> list[dict[str, object]]:
        """A dict a row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def rows_of(result: duckdb.DuckDBPyConnection) -> Rows:
    """All rows of a query that was just executed."""
    return Rows(tuple(str(column[0]) for column in result.description), tuple(result.fetchall()))


@cache
def read_sql(package: str, name: str) -> str:
    """The text of `leadpipe/<package>/<name>`, without its closing semicolon."""
    text = files("leadpipe").joinpath(package, name).read_text(encoding="utf-8")
    return text.rstrip().removesuffix(";")


def has_table(connection: duckdb.DuckDBPyConnection, *place: str) -> bool:
    """Whether there is a table; DuckDB's own lists of tables ask every database that is attached.

    Args:
        connection: any.
        place: its name, or database and name, or database, schema and name.
    """
    name = ".".join('"' + part.replace('"', '""') + '"' for part in place)
    try:
        connection.execute(f"SELECT 1 FROM {name} LIMIT 0")
    except duckdb.CatalogException:
        return False
    return True


def date_literals(days: Iterable[date | str]) -> str:
    """Days for `IN (…)`: of literals DuckDB skips the row groups that have none, of parameters it does not.

    Texts are days as 2026-11-01; NULL, which equals nothing, stands for none.
    """
    literals = {f"DATE '{date.fromisoformat(str(day)).isoformat()}'" for day in days}
    return ", ".join(sorted(literals)) or "NULL"
