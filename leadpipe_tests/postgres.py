"""A real PostgreSQL on loopback, for whole test sessions: a lake's catalog and state.

Belongs here: starting it in a folder of its own, databases of their own for each test, stopping it. Does not
belong here: what is put there.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from leadpipe_tests.dagster_ui.processes import free_port

_BINARIES = Path("/usr/lib/postgresql")
_SECONDS = 60


@dataclass(frozen=True)
class Postgres:
    """A server: `host=… port=… user=… dbname=…` for each of its databases."""

    port: int

    def address(self, database: str = "postgres") -> str:
        """How libpq connects to a database."""
        return f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"

    def new_database(self) -> str:
        """Make an empty database; how libpq connects to it."""
        name = f"d{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.address(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.address(name)


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Start a server, and stop it.

    Raises:
        pytest.skip.Exception: there is none on this machine.
    """
    found = sorted(_BINARIES.glob("*/bin/pg_ctl"))
    if not found:
        pytest.skip("POSTGRESQL IS NOT HERE, so the shared lake was NOT tested: `make programs`")
    folder = Path(tempfile.mkdtemp(prefix="leadpipe-postgres-"))
    data = folder / "data"
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    port = free_port()
    try:
        _run(
            found[-1].with_name("initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8"
        )
        options = (
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' "
            "-c max_connections=200 -c fsync=off"
        )
        _run(found[-1], "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield Postgres(port)
        finally:
            _run(found[-1], "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: Path, *arguments: object) -> None:
    """Run one of its programs, as its own account where we are root."""
    user = "postgres" if os.geteuid() == 0 else None
    done = subprocess.run(
        [str(program), *map(str, arguments)],
        user=user,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=_SECONDS,
        check=False,
        cwd="/",
    )
    if done.returncode:
        raise RuntimeError(f"{program.name}: {done.stderr.decode(errors='replace')[-500:]}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests."""
    with postgres_server() as server:
        yield server
