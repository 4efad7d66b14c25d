"""Small builders of events, page files and loads for tests."""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from leadpipe.connections import connect_posthog
from leadpipe.domains import Folds, HasRebuild, parts
from leadpipe.events.connecting import sync_config
from leadpipe.events.ingest import IngestResult, ingest
from leadpipe.events.ledger import Run, begin_run
from leadpipe.events.loading import LoadReport, load_days
from leadpipe.events.mapping.versions import in_use
from leadpipe.events.persons import PersonRank
from leadpipe.events.settings import EventsSettings
from leadpipe.events.staging import stage
from leadpipe.settings import Settings, whole_settings
from leadpipe.warehouse import ALL_LOCKS, Warehouse, between_databases
from leadpipe_tests.clocks import on_its_day


def event(name: str, at: str | datetime, **fields: Any) -> dict[str, Any]:
    """An event as the sandbox takes it; `at` without a date means 2026-11-20."""
    when = (
        at if isinstance(at, datetime) else on_its_day(datetime.fromisoformat(f"2026-11-20T{at}Z"))
    )
    row: dict[str, Any] = {
        "event": name,
        "timestamp": when,
        "uuid": fields.pop("uuid", None) or str(uuid.uuid4()),
        "distinct_id": fields.pop("distinct_id", "anonymous-1"),
        "created_at": fields.pop("created_at", when + timedelta(seconds=1)),
    }
    if "person_id" in fields:
        row["person_id"] = fields.pop("person_id")
    row["properties"] = fields.pop("properties", fields)
    return row


def wire_row(row: Mapping[str, Any]) -> list[str | None]:
    """The event as it comes in a page: seven texts."""
    properties = row.get("properties", {})
    return [
        row["uuid"],
        row["event"],
        row["timestamp"].isoformat(),
        row["created_at"].isoformat() if row.get("created_at") else None,
        row.get("distinct_id"),
        row.get("person_id"),
        properties if isinstance(properties, str) else json.dumps(properties),
    ]


def write_page(path: Path, rows: Sequence[object]) -> Path:
    """A page file of wire rows."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def take_in(
    warehouse: Warehouse,
    folder: Path,
    rows: Sequence[Mapping[str, Any] | list[Any]],
    *,
    run_id: str = "run-1",
    now: datetime | None = None,
    rank: PersonRank = PersonRank.QUERY,
) -> IngestResult:
    """Send rows through the door as one batch of a run."""
    page = write_page(
        folder / f"{uuid.uuid4()}.ndjson",
        [row if isinstance(row, list) else wire_row(row) for row in rows],
    )
    now = now or datetime.now(UTC)
    with warehouse.writing("door") as connection:
        if not connection.execute("SELECT 1 FROM runs WHERE run_id = ?", [run_id]).fetchone():
            begin_run(connection, Run(run_id, "manual"), days=[], now=now)
        staged = stage([page], in_use(connection, now=now), folder)
        return ingest(connection, staged, run_id=run_id, now=now, rank=rank)


def load(
    settings: Settings,
    warehouse: Warehouse,
    days: Sequence[date],
    *,
    run_id: str = "run-1",
    is_full: bool = False,
    now: datetime | None = None,
) -> LoadReport:
    """Load days from the sandbox."""
    with connect_posthog(settings) as posthog:
        return load_days(
            posthog,
            warehouse,
            days,
            run=Run(run_id, "manual"),
            config=sync_config(settings.of(EventsSettings)),
            is_full=is_full,
            clock=lambda: now or datetime.now(UTC),
        )


def settings_of(warehouse: Warehouse, **fields: Any) -> Settings:
    """Settings whose warehouse it is, everything else beside it."""
    if warehouse.lake is not None:
        fields |= {
            "warehouse": f"ducklake:{warehouse.lake.catalog}",
            "lake_data": warehouse.lake.data,
        }
    return whole_settings()(_env_file=None, data_dir=warehouse.path.parent, **fields)


def build_marts(warehouse: Warehouse) -> None:
    """Build every mart of every domain."""
    with warehouse.writing(*ALL_LOCKS) as connection:
        for _, part in parts(HasRebuild):
            if isinstance(part, Folds):
                part.fold(connection, settings_of(warehouse))
        between_databases(connection)
        for _, part in parts(HasRebuild):
            part.rebuild(connection, settings_of(warehouse), is_rescored=False)


def rows(warehouse: Warehouse, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a query on the warehouse."""
    with warehouse.connect() as connection:
        return connection.execute(query, list(parameters) or None).fetchall()


def table(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """Rows in a fixed order, to compare whole tables."""
    return sorted(connection.execute(query).fetchall(), key=repr)
