"""A real Redis on loopback, for whole test sessions: a cluster's broker.

Belongs here: starting it in a folder of its own, stopping it. Does not belong here: what is put there.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
import redis as client

from leadpipe_tests.dagster_ui.processes import free_port

_SECONDS = 30
_DATABASES = 200


@dataclass
class Redis:
    """A server; a database of its own for each test."""

    port: int
    process: subprocess.Popen[bytes]
    _next: Iterator[int] = field(default_factory=lambda: count(1))

    def new_database(self) -> str:
        """An empty database; the address that Celery takes."""
        return f"redis://127.0.0.1:{self.port}/{next(self._next)}"

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait(_SECONDS)


@contextmanager
def redis_server(port: int | None = None) -> Iterator[Redis]:
    """Start a server, and stop it.

    Raises:
        pytest.skip.Exception: there is none on this machine.
    """
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("REDIS IS NOT HERE, so a cluster was NOT tested: `make programs`")
    port = port or free_port()
    folder = Path(tempfile.mkdtemp(prefix="leadpipe-redis-"))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                *(program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)),
                *("--save", "", "--appendonly", "no", "--databases", str(_DATABASES)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(process, port, folder / "log")
        yield Redis(port, process)
    finally:
        process.terminate()
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up_at = time.monotonic() + _SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            with client.Redis(port=port) as connection:
                connection.ping()
        except client.RedisError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"Redis was not ready in {_SECONDS} s: {log.read_text()[-500:]}")


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """One server for all tests."""
    with redis_server() as server:
        yield server
