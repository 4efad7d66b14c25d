"""PostgreSQL for what has to be shared the moment it is said: short sessions that take SQLite's statements.

What keeps its rows in a SQLite file on one machine keeps them here where several machines have one lake. Does
not belong here: the lake's own connections, which are DuckDB's (`warehouse/lake.py`), and its locks.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from leadpipe.errors import ConfigurationError
from leadpipe.text import REPLACEMENT

if TYPE_CHECKING:
    import psycopg

_CONNECT_SECONDS = 10
_STATEMENT_MILLISECONDS = 10_000
_SETTING_UP = 0x73616964  # "said": so that two processes do not make the same tables at once
_PLACE = re.compile(r"\?|:([a-z_]+)")


class Session:
    """A connection that commits each statement by itself; `transaction` makes one of several."""

    def __init__(self, connection: "psycopg.Connection") -> None:
        self._connection = connection

    def execute(
        self, statement: str, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> "psycopg.Cursor[Any]":
        """Run a statement whose parameters are written as for SQLite: `?`, or `:name`."""
        return self._connection.execute(
            _translated(statement).encode(), _without_nul(parameters) if parameters else None
        )

    def executemany(
        self, statement: str, rows: Sequence[Sequence[object]]
    ) -> "psycopg.Cursor[Any]":
        """Run a statement for each row of parameters; `rowcount` is that of all."""
        cursor = self._connection.cursor()
        cursor.executemany(_translated(statement).encode(), [_without_nul(row) for row in rows])
        return cursor

    @contextmanager
    def transaction(self, table: str) -> Iterator[None]:
        """Everything inside commits together, or nothing does; nobody else writes to the table meanwhile."""
        with self._connection.transaction():
            self.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
            yield

    def close(self) -> None:
        """Close it; what was not committed is gone."""
        self._connection.close()


def connect(postgres: str, schema: str, tables: str) -> Session:
    """A session that finds its tables by their names, for the caller to close.

    Args:
        postgres: how libpq connects.
        schema: in which they are, apart from those of others.
        tables: statements that make them, run once.

    Raises:
        ConfigurationError: PostgreSQL's driver is not installed.
        psycopg.Error: it cannot be reached, or they cannot be made.
    """
    connection = driver().connect(
        postgres, autocommit=True, application_name="leadpipe", connect_timeout=_CONNECT_SECONDS
    )
    session = Session(connection)
    try:
        session.execute(f"SET statement_timeout = {_STATEMENT_MILLISECONDS}")
        if _is_missing(session, schema):
            with connection.transaction():
                session.execute("SELECT pg_advisory_xact_lock(?)", [_SETTING_UP])
                if _is_missing(session, schema):  # nobody was faster
                    session.execute(f"CREATE SCHEMA {schema}")
                    session.execute(f"SET LOCAL search_path = {schema}")
                    session.execute(tables)
        session.execute(f"SET search_path = {schema}")
    except BaseException:
        connection.close()
        raise
    return session


def write_anew(postgres: str, tables: Sequence[str]) -> None:
    """Write the files of tables anew, each by itself, so that no byte of what was deleted is left in them.

    Raises:
        ConfigurationError: PostgreSQL's driver is not installed.
        psycopg.Error: it cannot be reached, or somebody kept a table.
    """
    with driver().connect(
        postgres, autocommit=True, application_name="leadpipe", connect_timeout=_CONNECT_SECONDS
    ) as connection:
        connection.execute(f"SET lock_timeout = {_STATEMENT_MILLISECONDS}")
        for table in tables:
            connection.execute(f"VACUUM FULL {table}")


def driver() -> ModuleType:
    """PostgreSQL's driver, which only a shared lake needs.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        return import_module("psycopg")
    except ModuleNotFoundError:
        raise ConfigurationError(
            "psycopg is not installed. A lake with its catalog in PostgreSQL needs it: "
            "pip install 'leadpipe[lake]'"
        ) from None


def _is_missing(session: Session, schema: str) -> bool:
    # Not by to_regnamespace, whose cache does not see what others did while we waited for a lock.
    return not session.execute("SELECT 1 FROM pg_namespace WHERE nspname = ?", [schema]).fetchall()


def _translated(statement: str) -> str:
    return _PLACE.sub(lambda found: f"%({found[1]})s" if found[1] else "%s", statement)


def _without_nul(
    parameters: Sequence[object] | Mapping[str, object],
) -> Sequence[object] | Mapping[str, object]:
    """PostgreSQL has no NUL in a text: the mark of what cannot be read stands for it."""
    if isinstance(parameters, Mapping):
        return {name: _text(value) for name, value in parameters.items()}
    return [_text(value) for value in parameters]


def _text(value: object) -> object:
    return value.replace("\0", REPLACEMENT) if isinstance(value, str) else value
