"""Lakes for tests, above all those that several machines share: each a copy of one that was migrated once.

Belongs here: making one at little cost. Does not belong here: the servers it needs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from leadpipe.places import Lake, StoreKeys
from leadpipe.warehouse import Warehouse
from leadpipe.warehouse import lake as lakes_of_process
from leadpipe_tests.postgres import Postgres

Machine = Callable[[str], Warehouse]
"""A shared warehouse as a machine of this name sees it: a data folder of its own."""


@pytest.fixture(scope="session")
def migrated(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The name of a database with a lake's catalog, and the folder of its data."""
    folder = tmp_path_factory.mktemp("lake")
    address = postgres.new_database()
    name = address.rpartition("=")[2]
    lake = Lake(f"postgres:{address}", f"{folder}/")
    _migrate(lake, folder)
    return name, lake.data


def _migrate(lake: Lake, folder: Path) -> None:
    with Warehouse(folder / "own" / "leadpipe.duckdb", lake=lake).connect():
        pass


@dataclass(frozen=True)
class EmptyLake:
    """A lake with all tables and no rows, its state in a database of its own, to copy.

    Args:
        catalog: the name of its catalog's database.
        state: and of its state's.
        data: the folder of its data.
    """

    catalog: str
    state: str
    data: Path

    def copy(
        self,
        postgres: Postgres,
        data: str,
        put: Callable[[str, bytes], None],
        keys: StoreKeys | None = None,
    ) -> Lake:
        """A lake of its own.

        Args:
            postgres: where it is.
            data: where its data is to be.
            put: writes a file there.
            keys: of the store.
        """
        catalog = postgres.new_database(template=self.catalog)
        with psycopg.connect(catalog, autocommit=True) as connection:
            connection.execute(
                "UPDATE ducklake_metadata SET value = %s WHERE key = 'data_path'", [data]
            )
        for file in self.data.rglob("*.parquet"):
            put(file.relative_to(self.data).as_posix(), file.read_bytes())
        state = postgres.new_database(template=self.state)
        return Lake(f"postgres:{catalog}", data, keys, state=state)


@pytest.fixture(scope="session")
def empty_shared_lake(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> EmptyLake:
    """One on PostgreSQL."""
    folder = tmp_path_factory.mktemp("empty")
    catalog, state = postgres.new_database(), postgres.new_database()
    _migrate(Lake(f"postgres:{catalog}", f"{folder}/data/", state=state), folder)
    return EmptyLake(catalog.rpartition("=")[2], state.rpartition("=")[2], folder / "data")


@pytest.fixture(scope="session")
def empty_local_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one whose catalog is a file."""
    folder = tmp_path_factory.mktemp("empty-local")
    _migrate(Lake(f"{folder}/catalog", f"{folder}/data/"), folder)
    return folder


def put_in(folder: Path) -> Callable[[str, bytes], None]:
    """What writes files into a folder."""

    def put(name: str, content: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return put


@pytest.fixture
def lake(postgres: Postgres, migrated: tuple[str, str]) -> Lake:
    """A lake with all tables and no rows; its files lie beside those of other tests."""
    template, data = migrated
    return Lake(f"postgres:{postgres.new_database(template=template)}", data)


@pytest.fixture
def machine(lake: Lake, tmp_path: Path) -> Machine:
    """Gives the shared warehouse as it is seen from a machine."""

    def see(name: str, *, lock_timeout_seconds: float = 30.0) -> Warehouse:
        path = tmp_path / name / "data" / "leadpipe.duckdb"
        path.parent.mkdir(parents=True, exist_ok=True)
        return Warehouse(path, lock_timeout_seconds=lock_timeout_seconds, lake=lake)

    return see


@pytest.fixture
def shared(machine: Machine) -> Warehouse:
    """The shared warehouse as the first machine sees it; it waits for no lock."""
    return replace(machine("one"), lock_timeout_seconds=0.2)


def let_go(one: Lake) -> None:
    """Detach a lake from this process: one whose server is gone is in the way of others."""
    instance = lakes_of_process._of_this_process()
    name = instance.names.pop(one, None)
    instance.prepared.discard(one)
    if name is not None:
        state = f"DETACH {name}_state; " if one.state is not None else ""
        instance.root.execute(f"{state}DETACH {name}")


def tell_all_to_let_go(address: str) -> None:
    """End all other connections to a database, as its server does when it is stopped."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
