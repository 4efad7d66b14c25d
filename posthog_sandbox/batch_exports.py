"""Batch exports to a bucket or a folder: which intervals there are, the objects' names, when they come.

Belongs here: keys, manifests, schedules, retries. Does not belong here: the rows of a file and its format
(`export_files.py`), file downloads.

Read in PostHog's source (products/batch_exports, November 2026), and followed:

- An object is `{prefix}/{start}-{end}[-{n}].{parquet|jsonl}[.{codec}]`; the prefix may hold `{year} {month}
  {day} {hour} {minute} {second} {table} {data_interval_start} {data_interval_end}`, the parts being those of
  the interval's end. A scheduled run names moments in UTC, a backfill in the export's zone; a backfill from
  the beginning has `None` for its start, and is one run.
- An object appears whole or not at all. With a maximum size the parts are numbered from 0, and
  `{start}-{end}_manifest.json` comes last. A run that died leaves its parts, without a manifest; the next
  attempt writes the same names, and may need fewer.
- An interval without rows writes nothing. A scheduled run waits a minute after its interval's end (30 seconds
  for five minutes), so that rows are there.

Not modelled: a prefix with a leading slash, below which PostHog puts the manifest elsewhere than the files.
"""

import asyncio
import json
import posixpath
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

import obstore
import pyarrow.parquet as pq
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from posthog_sandbox.export_files import (
    FileKind,
    Model,
    Selection,
    file_name,
    reading_of,
    write_files,
)
from posthog_sandbox.storage import Storage

Interval = Literal["every 5 minutes", "every 15 minutes", "hour", "day", "week"]
_LENGTHS: Mapping[str, timedelta] = {
    "every 5 minutes": timedelta(minutes=5),
    "every 15 minutes": timedelta(minutes=15),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}
_FIVE_MINUTES = timedelta(minutes=5)
_BEGINNING = datetime(1971, 1, 1, tzinfo=UTC)
_A_SUNDAY = datetime(2023, 1, 1)  # noqa: DTZ001 - in whatever zone
_LOOK_SECONDS = 1.0


class Destination(Protocol):
    """Where objects go; each is there whole or not at all."""

    def put(self, key: str, content: Path | bytes) -> None:
        """Write an object over what has its key."""


@dataclass(frozen=True)
class Folder:
    """A folder that stands for a bucket."""

    path: Path

    def put(self, key: str, content: Path | bytes) -> None:
        """See `Destination`."""
        self.path.mkdir(parents=True, exist_ok=True)
        obstore.put(LocalStore(self.path.resolve()), key, content)


@dataclass(frozen=True)
class S3:
    """A bucket on an S3 server."""

    bucket: str
    endpoint: str
    key_id: str
    secret: str = field(repr=False)
    region: str = "us-east-1"

    def put(self, key: str, content: Path | bytes) -> None:
        """See `Destination`."""
        store = S3Store(
            self.bucket,
            endpoint=self.endpoint,
            access_key_id=self.key_id,
            secret_access_key=self.secret,
            region=self.region,
            client_options={"allow_http": True},
        )
        obstore.put(store, key, content)


def destination_of(body: Mapping[str, Any]) -> Destination:
    """What the lever was given: `{"folder": path}`, or the fields of `S3`."""
    if "folder" in body:
        return Folder(Path(body["folder"]))
    return S3(**body)


@dataclass(frozen=True)
class BatchExport:
    """An export as it is set up in PostHog.

    Attributes:
        destination: where to.
        interval: how long a run's span is.
        zone: in which days and weeks begin.
        offset_hours: how long after midnight (of a Sunday) they do.
        prefix: of the keys, may hold the names of the module's docstring in braces.
        model: what a row is.
        kind: of the files.
        include: names of events; empty for all.
        exclude: names of events.
        extra_columns: columns of a text that a later PostHog exports, too; Parquet only.
        team_id: the project's number, which persons have in a column.
    """

    destination: Destination
    interval: Interval = "hour"
    zone: str = "UTC"
    offset_hours: int = 0
    prefix: str = ""
    model: Model = "events"
    kind: FileKind = field(default_factory=FileKind)
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    extra_columns: tuple[tuple[str, str], ...] = ()
    team_id: int = 1

    def spans(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The runs' spans of which the end lies after `start`, and not after `end`, in the zone."""
        begin = self._begin_of(start)
        while (until := self._after(begin)) <= end:
            if until > start:
                yield begin, until
            begin = until

    def _begin_of(self, moment: datetime) -> datetime:
        """When the span began that a moment is in."""
        length = _LENGTHS[self.interval]
        local = moment.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        first = _A_SUNDAY + timedelta(hours=self.offset_hours)
        wall = first + (local - first) // length * length
        return wall.replace(tzinfo=ZoneInfo(self.zone))

    def _after(self, begin: datetime) -> datetime:
        """The next begin: by the wall clock for days and weeks, of which some have other hours."""
        length = _LENGTHS[self.interval]
        if length >= timedelta(days=1):
            return begin + length
        return (begin.astimezone(UTC) + length).astimezone(ZoneInfo(self.zone))

    def folder_of(self, start: datetime | None, end: datetime) -> str:
        """The prefix of a span's keys."""
        names = {
            "second": f"{end:%S}",
            "minute": f"{end:%M}",
            "hour": f"{end:%H}",
            "day": f"{end:%d}",
            "month": f"{end:%m}",
            "year": f"{end:%Y}",
            "data_interval_start": start.isoformat() if start else None,
            "data_interval_end": end.isoformat(),
            "table": self.model,
        }
        return self.prefix.format(**names)


def export_span(
    storage: Storage,
    export: BatchExport,
    start: datetime | None,
    end: datetime,
    *,
    now: datetime,
    backfilled_from: datetime | None = None,
    dies_after: int | None = None,
) -> list[str]:
    """One run: write the rows of a span, and its manifest where there is a maximum size.

    Args:
        storage: the sandbox's tables.
        export: where to, and what.
        start: None for everything before `end`.
        end: exclusive; not in the future.
        now: the server's clock.
        backfilled_from: the begin of the backfill that the run belongs to.
        dies_after: after so many files the worker dies, before the manifest.

    Returns:
        The keys in the order they were written.

    Raises:
        ValueError: the span is not over yet, or the files cannot be written so.
    """
    if end > now:
        raise ValueError(f"The data interval ends at {end.isoformat()}, in the future.")
    is_backfill = backfilled_from is not None or start is None
    reading = (
        "timestamp"
        if start is None and export.model == "events"
        else reading_of(backfilled_from or start or _BEGINNING, now, is_backfill=is_backfill)
    )
    selection = Selection(
        export.model,
        (start or _BEGINNING).astimezone(UTC),
        end.astimezone(UTC),
        include=export.include,
        exclude=export.exclude,
        reading=reading,
        team_id=export.team_id,
    )
    folder = export.folder_of(start, end)
    written: list[str] = []
    with tempfile.TemporaryDirectory() as staging:
        files = write_files(
            storage,
            selection,
            export.kind,
            Path(staging),
            now=now,
            name=lambda number: file_name(start, end, export.kind, number),
        ).files
        for number, path in enumerate(files):
            if number == dies_after:
                return written
            _add_columns(path, export)
            key = posixpath.join(folder, path.name)
            export.destination.put(key, path)
            written.append(key)
    if export.kind.max_size_mb and written and dies_after is None:
        span = f"{start.isoformat() if start else None}-{end.isoformat()}"
        manifest = posixpath.join(folder, f"{span}_manifest.json")
        export.destination.put(manifest, json.dumps({"files": written}).encode())
        written.append(manifest)
    return written


def _add_columns(path: Path, export: BatchExport) -> None:
    if not export.extra_columns:
        return
    if export.kind.format != "Parquet":
        raise ValueError("Extra columns are for Parquet.")
    table = pq.read_table(path)
    for name, text in export.extra_columns:
        table = table.append_column(name, [[text] * table.num_rows])
    pq.write_table(table, path, compression=export.kind.compression or "none")


class BatchExports:
    """The exports that run by themselves, as the sandbox's clock goes on."""

    def __init__(self) -> None:
        self._done: dict[BatchExport, datetime] = {}
        self._running = threading.Lock()

    def add(self, export: BatchExport, now: datetime) -> None:
        """Export the spans that end from now on, each when it is over."""
        with self._running:
            self._done[export] = now

    def clear(self) -> None:
        """Stop all."""
        with self._running:
            self._done.clear()

    def run_due(self, storage: Storage, now: datetime) -> list[str]:
        """Export the spans that are over by now; the keys. What fails is tried again the next time."""
        keys: list[str] = []
        with self._running:
            for export, done in list(self._done.items()):
                is_short = _LENGTHS[export.interval] == _FIVE_MINUTES
                until = now - timedelta(seconds=30 if is_short else 60)
                for start, end in export.spans(done, until):
                    keys += export_span(
                        storage, export, start.astimezone(UTC), end.astimezone(UTC), now=now
                    )
                    self._done[export] = end
        return keys


def export_spans(
    storage: Storage,
    export: BatchExport,
    start: datetime | None,
    end: datetime,
    *,
    now: datetime,
    is_backfill: bool,
    dies_after: int | None = None,
) -> list[str]:
    """The runs of all spans between two moments, or of everything before the second; the keys written."""
    if start is None:
        end = end.astimezone(ZoneInfo(export.zone))
        return export_span(storage, export, None, end, now=now, dies_after=dies_after)
    keys: list[str] = []
    for begin, until in export.spans(start, end):
        moments = (begin, until) if is_backfill else (begin.astimezone(UTC), until.astimezone(UTC))
        keys += export_span(
            storage,
            export,
            *moments,
            now=now,
            backfilled_from=start if is_backfill else None,
            dies_after=dies_after,
        )
    return keys


def export_of(body: Mapping[str, Any], *, team_id: int) -> BatchExport:
    """An export of a project from what the lever was given."""
    kind = FileKind(
        format=body["format"],
        compression=body["compression"],
        max_size_mb=body["max_size_mb"],
    )
    if body["batch_rows"]:
        kind = replace(kind, batch_rows=body["batch_rows"])
    if body["interval"] not in _LENGTHS:
        raise ValueError(f"Unsupported interval: '{body['interval']}'")
    return BatchExport(
        destination=destination_of(body["destination"]),
        interval=body["interval"],
        zone=body["zone"],
        offset_hours=body["offset_hours"],
        prefix=body["prefix"],
        model=body["model"],
        kind=kind,
        include=tuple(body["include"]),
        exclude=tuple(body["exclude"]),
        extra_columns=tuple(body["extra_columns"].items()),
        team_id=body["team_id"] or team_id,
    )


async def keep_exporting(
    exports: BatchExports, storage: Storage, now: Callable[[], datetime]
) -> None:
    """Run what is due, until cancelled."""
    while True:
        with suppress(BaseError, OSError):  # the destination's, which PostHog tries again, too
            await asyncio.to_thread(exports.run_due, storage, now())
        await asyncio.sleep(_LOOK_SECONDS)
