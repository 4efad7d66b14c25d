"""Exported files as tests write them, and taking them in."""

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import brotli
import pyarrow as pa
import pyarrow.parquet as pq

from leadpipe.events.exported.folding import Note, TakenIn, take_in
from leadpipe.events.ledger import Run, begin_run
from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.reading import built_in
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW

FIRST_DAY = date(2026, 1, 1)
SCHEMA = pa.schema(
    [
        ("uuid", pa.string()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("_inserted_at", pa.timestamp("us", tz="UTC")),
        ("created_at", pa.timestamp("us", tz="UTC")),
        ("event", pa.string()),
        ("properties", pa.string()),
        ("distinct_id", pa.string()),
        ("elements_chain", pa.string()),
        ("person_properties", pa.string()),
        ("person_id", pa.string()),
    ]
)


def _text(properties: object) -> str | None:
    return properties if isinstance(properties, str | None) else json.dumps(properties)


def write_parquet(
    path: Path,
    events: Sequence[Mapping[str, Any]],
    *,
    compression: str = "zstd",
    schema: pa.Schema = SCHEMA,
) -> Path:
    """Events (`builders.event`) as a file of PostHog's events model."""
    rows = [{**row, "properties": _text(row["properties"])} for row in events]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, compression=compression)
    return path


def json_lines(events: Sequence[Mapping[str, Any]]) -> bytes:
    """The same as JSON Lines: properties nested, times as ISO texts."""
    return b"".join(
        json.dumps(
            {
                key: value.isoformat() if isinstance(value, datetime) else value
                for key, value in row.items()
            },
            ensure_ascii=False,
        ).encode()
        + b"\n"
        for row in events
    )


def write_json_lines(path: Path, events: Sequence[Mapping[str, Any]]) -> Path:
    """JSON Lines, packed as the name ends: `.gz` a stream for each line, `.br` one, as PostHog does."""
    lines = json_lines(events)
    if path.suffix == ".gz":
        lines = b"".join(gzip.compress(line) for line in lines.splitlines(keepends=True))
    elif path.suffix == ".br":
        lines = brotli.compress(lines, quality=5)
    elif path.suffix == ".zst":
        lines = pa.compress(lines, codec="zstd", asbytes=True)
    path.write_bytes(lines)
    return path


def take(
    warehouse: Warehouse,
    file: Path,
    *,
    run_id: str = "run-1",
    mapping: EventMapping | None = None,
    note: Note | None = None,
) -> TakenIn:
    """Take a file in, in a run that is begun if need be."""
    with warehouse.writing("door") as connection:
        begin_run(connection, Run(run_id, "manual"), days=[], now=NOW)
    return take_in(
        warehouse,
        file,
        name=file.name,
        run_id=run_id,
        mapping=mapping or built_in(),
        first_day=FIRST_DAY,
        folder=warehouse.path.parent / "landing",
        clock=lambda: NOW,
        note=note,
    )
