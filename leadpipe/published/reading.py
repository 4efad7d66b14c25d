"""Read published tables, without the warehouse file and without waiting for anybody.

`leadpipe.read("listings")` gives a pandas frame; the CLI's read commands use `query`.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import duckdb

from leadpipe.errors import NotPublished
from leadpipe.warehouse import Rows, read_parquet, rows_of

if TYPE_CHECKING:
    import pandas as pd

_Answer = TypeVar("_Answer")
Ask = Callable[..., Rows]
_TRIES = 5

TABLES = (
    "leads",
    "grouped_leads",
    "listings",
    "listing_analytics",
    "draw_lists",
    "draw_rejections",
    "draws",
    "draw_winners",
    "runs",
    "event_days",
    "events_by_day",
    "rejected_events",
    "visitor_metrics",
    "visitor_metric_changes",
    "visitor_syncs",
    "week_viewers",
    "interaction_syncs",
    "lead_deliveries",
    "delivery_attempts",
    "succeeded_leads",
    "failed_leads",
    "breaker_changes",
    "partner_events",
    "reconciliations",
    "reconciliation_findings",
    "delivery_alerts",
)


def query(folder: Path, sql: str, parameters: Mapping[str, object] | Sequence[object] = ()) -> Rows:
    """Run a SELECT over the published tables, each a view of its name.

    Raises:
        NotPublished: no run has published anything yet.
    """
    return _read(folder, lambda connection: rows_of(connection.execute(sql, parameters or None)))


def read_together(folder: Path, read: Callable[[Ask], _Answer]) -> _Answer:
    """Let `read` ask several questions of one publication, as `ask(sql, parameters)`.

    Raises:
        NotPublished: no run has published anything yet; from `ask`, the publication lacks a table.
    """

    def answered(connection: duckdb.DuckDBPyConnection) -> _Answer:
        def ask(sql: str, parameters: Mapping[str, object] | None = None) -> Rows:
            try:
                return rows_of(connection.execute(sql, parameters or None))
            except duckdb.CatalogException as error:
                raise _older(folder, error) from error

        return read(ask)

    return _read(folder, answered)


def read_frame(folder: Path, table: str) -> "pd.DataFrame":
    """A published table as a pandas frame.

    Raises:
        NotPublished: no such table, or nothing published yet.
    """
    if table not in TABLES:
        raise NotPublished(f"{table!r} is not published; choose one of {', '.join(TABLES)}")
    with warnings.catch_warnings():
        # DuckDB 1.5 turns times into frames in a way that pandas 3 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        return _read(folder, lambda connection: connection.execute(f"SELECT * FROM {table}").df())


def _read(folder: Path, ask: Callable[[duckdb.DuckDBPyConnection], _Answer]) -> _Answer:
    """Ask the current publication; once more if it was replaced and removed under our hands."""
    for _ in range(_TRIES - 1):
        current = _current(folder)
        try:
            with read_parquet(current, TABLES) as connection:
                return ask(connection)
        except duckdb.IOException:
            if current == _current(folder):
                raise
        except duckdb.CatalogException as error:
            raise _older(current, error) from error
    with read_parquet(_current(folder), TABLES) as connection:
        return ask(connection)


def _older(folder: Path, error: Exception) -> NotPublished:
    return NotPublished(
        f"{folder} was published by an older leadpipe ({error}). Run `leadpipe sync` once."
    )


def _current(folder: Path) -> Path:
    current = folder / "current"
    if not current.exists():
        raise NotPublished(
            f"Nothing is published in {folder} yet. Run `leadpipe sync` (or `make demo`) first."
        )
    return current.resolve()
