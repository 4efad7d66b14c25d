"""Dagster's view of the outside world: adapters that hand plain objects to the domains' cores.

The API key stays inside `Settings`: no resource has it in its configuration, so neither the UI nor a
run's config shows it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource

from leadpipe import tracing
from leadpipe.catalog import meanings_of, short_type
from leadpipe.connections import connect_posthog
from leadpipe.errors import (
    BucketUnavailable,
    LeadpipeError,
    LeadsFileBusy,
    PostHogUnavailable,
    WarehouseConflict,
    WarehouseLocked,
    WarehouseRefused,
    WarehouseUnreachable,
)
from leadpipe.posthog import PostHog
from leadpipe.progress import Progress
from leadpipe.settings import Settings, load_settings
from leadpipe.warehouse import Warehouse

_PREVIEW_ROWS = 10
_LONGEST_CELL = 80
_MOST_RETRIES = 3
_FIRST_WAIT_SECONDS = 60
_PASSING = (
    PostHogUnavailable,
    BucketUnavailable,
    WarehouseLocked,
    WarehouseConflict,
    WarehouseUnreachable,
    LeadsFileBusy,
)


class WarehouseResource(DuckDBResource):
    """The DuckDB warehouse, migrated, and closed on leaving whatever happened.

    A drop-in for dagster-duckdb's `DuckDBResource` in assets of your own.
    """

    lock_timeout_seconds: float = 60.0
    memory_limit: str = "2GB"
    is_lake: bool = (
        False  # where, the environment says: a resource's configuration is shown to everybody
    )

    def warehouse(self, *, lock_timeout_seconds: float | None = None) -> Warehouse:
        """The plain object that the cores take, by default with the configured patience."""
        patience = (
            self.lock_timeout_seconds if lock_timeout_seconds is None else lock_timeout_seconds
        )
        return Warehouse(
            Path(self.database),
            lock_timeout_seconds=patience,
            memory_limit=self.memory_limit,
            lake=load_settings(Settings).lake if self.is_lake else None,
        )

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """As in `DuckDBResource`, but waiting for a lock within bounds, and always closing."""
        with self.warehouse().connect() as connection:
            yield connection


@dataclass(frozen=True)
class PostHogConnection:
    """Makes clients of the configured PostHog project."""

    settings: Settings

    def client(self, *, deadline_seconds: float = 120.0) -> PostHog:
        """A client; close it, or use it as a context manager.

        Args:
            deadline_seconds: for one request with all its retries.

        Raises:
            ConfigurationError: the key or the project is not set.
        """
        return connect_posthog(self.settings, deadline_seconds=deadline_seconds)


@dataclass(frozen=True)
class ProgressSink:
    """Where a load says how far it is; by default nowhere."""

    report: Callable[[Progress], None] = lambda _: None


def preview(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    parameters: Mapping[str, object] | None = None,
) -> dg.TableMetadataValue:
    """The first rows of a query as a table for the Dagster UI; long cells are cut."""
    result = connection.execute(
        f"SELECT * FROM ({query}) LIMIT {_PREVIEW_ROWS}", dict(parameters or {}) or None
    )
    return table([str(column[0]) for column in result.description], result.fetchall())


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, longest: int = _LONGEST_CELL
) -> dg.TableMetadataValue:
    """Rows as a table for the Dagster UI; cells that are longer are cut."""
    return dg.TableMetadataValue(
        records=[
            dg.TableRecord(
                dict(zip(columns, (_cell(value, longest) for value in row), strict=True))
            )
            for row in rows
        ],
        schema=dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in columns]),
    )


def _cell(value: object, longest: int) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 2)
    text = str(value)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def column_schema(connection: duckdb.DuckDBPyConnection, table: str) -> dg.TableSchema:
    """A table's columns, their types and what they mean, for the asset's `dagster/column_schema`."""
    meanings = meanings_of(table)
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=str(name),
                type=short_type(str(kind)),
                description=meanings.get(str(name)),
                constraints=dg.TableColumnConstraints(nullable=is_nullable == "YES"),
            )
            for name, kind, is_nullable, *_ in connection.execute(f"DESCRIBE {table}").fetchall()
        ]
    )


def about(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, dg.MetadataValue]:
    """How many rows a table has, and its columns, under the names by which the UI knows them."""
    rows = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return {
        "dagster/row_count": dg.MetadataValue.int(int(rows[0]) if rows else 0),
        "dagster/column_schema": dg.MetadataValue.table_schema(column_schema(connection, table)),
    }


def is_after(context: dg.AssetCheckExecutionContext, asset: dg.AssetsDefinition) -> bool:
    """Whether a check runs after its asset, in one run, and not by itself."""
    latest = context.instance.get_latest_materialization_event(asset.key)
    return latest is not None and latest.run_id == context.run.run_id


def _step_name() -> str | None:
    """The asset's or op's name; None outside of a run, and where nobody wants to know."""
    if not tracing.is_on():
        return None
    try:
        return str(dg.OpExecutionContext.get().op.name)
    except dg.DagsterInvariantViolationError:
        return None


@contextmanager
def failing_clearly() -> Iterator[None]:
    """A step's work: an error of ours is a Dagster failure with its message and no traceback of internals."""
    try:
        with tracing.span(f"step {_step_name()}"):
            yield
    except LeadpipeError as error:
        raise dg.Failure(
            description=f"{type(error).__name__}: {error}", allow_retries=False
        ) from None


@contextmanager
def retried_later(context: dg.AssetExecutionContext, *, is_manual: bool) -> Iterator[None]:
    """Let Dagster run the step again when what stood in the way passes; nobody waits at a keyboard.

    A person who started the run by hand is told at once instead, and so is everybody of what a person has to
    change.
    """
    try:
        yield
    except _PASSING as error:
        if is_manual or isinstance(error, WarehouseRefused):
            raise
        context.log.warning("%s; trying again later", error)
        raise dg.RetryRequested(
            max_retries=_MOST_RETRIES,
            seconds_to_wait=_FIRST_WAIT_SECONDS * 2**context.retry_number,
        ) from None
