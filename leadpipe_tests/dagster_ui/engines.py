"""Connections of Dagster's SQLite storage that stay open for a test.

Dagster opens the file anew for each event it stores, reads its tables, and puts its log in order when it
closes it: a fifth of the processor time of the tests that run jobs.
"""

from typing import Any

from dagster._core.storage.sql import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.pool import QueuePool

PLACES = tuple(
    f"dagster._core.storage.{module}.create_engine"
    for module in (
        "event_log.sqlite.sqlite_event_log",
        "runs.sqlite.sqlite_run_storage",
        "schedules.sqlite.sqlite_schedule_storage",
    )
)
"""Where Dagster makes engines."""


class Engines:
    """One engine a file, with connections that are used again; in the place of Dagster's `create_engine`."""

    def __init__(self) -> None:
        self._made: dict[str, Engine] = {}

    def __call__(self, address: str, *, connect_args: Any = None, **_: Any) -> Engine:
        if address not in self._made:
            arguments = {**(connect_args or {}), "check_same_thread": False}
            engine = create_engine(address, poolclass=QueuePool, connect_args=arguments)
            engine.dispose = lambda close=True: None  # type: ignore[method-assign]
            self._made[address] = engine
        return self._made[address]

    def close(self) -> None:
        """Close all connections; who goes on gets others."""
        for engine in self._made.values():
            Engine.dispose(engine)
        self._made.clear()
