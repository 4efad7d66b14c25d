"""Tests on a lake that several machines share: `pytest -p leadpipe_tests.on_a_shared_lake`.

Every warehouse of this process that would be a file is a lake of its own instead: its catalog and its state
are databases of a real PostgreSQL, its data a folder beside the file. They are gone when the test ends.
Programs that tests start have a file still, so tests of those do not belong on it.
"""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from leadpipe.places import Lake
from leadpipe.warehouse import Warehouse

if TYPE_CHECKING:
    from leadpipe_tests.postgres import Postgres

_init = Warehouse.__init__
_lakes: dict[Path, Lake] = {}


def _let_go(one: Lake) -> None:
    from leadpipe_tests.lakes import let_go  # noqa: PLC0415 - pytest has to load it first

    let_go(one)


@cache
def _server() -> "Postgres":
    from leadpipe_tests.postgres import postgres_server  # noqa: PLC0415 - pytest has to load it first

    stack = ExitStack()
    server = stack.enter_context(postgres_server())
    atexit.register(stack.close)
    return server


@cache
def _empty_lake() -> tuple[Lake, Path]:
    """A lake with all migrations, from which the others are copied: that is faster than migrating each."""
    folder = Path(tempfile.mkdtemp(prefix="leadpipe-empty-lake-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    server = _server()
    empty = Lake(
        f"postgres:{server.new_database()}", f"{folder}/data/", state=server.new_database()
    )
    warehouse = object.__new__(Warehouse)
    _init(warehouse, folder / "leadpipe.duckdb", lake=empty)
    with warehouse.connect():
        pass
    _let_go(empty)
    return empty, folder / "data"


def _copy_of(address: str) -> str:
    """A new database with what another has."""
    name = f"c{len(_lakes)}_{Path(tempfile.mktemp()).name.lower()}"
    with psycopg.connect(_server().address(), autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} TEMPLATE {address.rpartition('dbname=')[2]} STRATEGY FILE_COPY"
        )
    return _server().address(name)


def _lake_beside(path: Path) -> Lake:
    place = path.resolve()
    if place not in _lakes:
        empty, data = _empty_lake()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        own = place.with_name(f"{place.name}.data")
        shutil.copytree(data, own)
        catalog = _copy_of(str(empty.postgres))
        with psycopg.connect(catalog) as connection:
            connection.execute(
                "UPDATE ducklake_metadata SET value = %s WHERE key = 'data_path'", [f"{own}/"]
            )
        _lakes[place] = Lake(f"postgres:{catalog}", f"{own}/", state=_copy_of(str(empty.state)))
    return _lakes[place]


def _init_as_lake(self, path, *arguments, **named):
    _init(self, path, *arguments, **named)
    if self.lake is None:
        object.__setattr__(self, "lake", _lake_beside(self.path))


Warehouse.__init__ = _init_as_lake  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def lakes_of_the_test() -> Iterator[None]:
    """Lakes are gone with the test that made them."""
    yield
    for one in _lakes.values():
        _let_go(one)
    with psycopg.connect(_server().address(), autocommit=True) as connection:
        for one in _lakes.values():
            for address in (str(one.postgres), str(one.state)):
                name = address.rpartition("dbname=")[2]
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    _lakes.clear()
