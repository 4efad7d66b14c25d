"""Read events from PostHog into page files: keyset pages, windows that shrink, a few in flight.

Rows go from the response to disk as the bytes they came in; nothing here looks into an event. Pages
land as files without any lock on the warehouse; `ingest` takes them in. When to read which day is
`loading.py`'s business.
"""

import glob
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec

from leadpipe import tracing
from leadpipe.errors import QueryTooHeavy
from leadpipe.events.windows import Window
from leadpipe.posthog import NO_NAMES, PostHog, utc_text
from leadpipe.text import may_have_half_emoji, mended_json
from leadpipe.warehouse import read_sql

_NO_UUID = ""  # sorts before every uuid
_ROWS_AT_ONCE = 100


@dataclass(frozen=True)
class Selection:
    """What to ask for in every window.

    Args:
        events: names of the events.
        bulky_events: those of which only `bulky_properties` come, not the whole properties.
        page_rows: rows a request, 50,000 at most.
        has_copies_only: only events of which PostHog holds several copies.
    """

    events: tuple[str, ...]
    bulky_events: tuple[str, ...]
    bulky_properties: tuple[str, ...]
    page_rows: int = 10_000
    has_copies_only: bool = False


@dataclass(frozen=True)
class WindowPages:
    """A window that was read to its end: its page files, and how many rows they hold."""

    window: Window
    pages: tuple[Path, ...]
    rows: int


def rows_of(pages: Sequence[Path]) -> str:
    """For a FROM: a column `fields`, the texts of a row as `events.hogql` orders them; not without pages."""
    # What is a pattern to DuckDB may be the name of a folder.
    paths = ", ".join("'" + glob.escape(str(page)).replace("'", "''") + "'" for page in pages)
    return (
        f"read_json([{paths}], format = 'newline_delimited', records = false, "
        "columns = {fields: 'VARCHAR[]'})"
    )


@dataclass(frozen=True)
class _Cursor:
    timestamp: datetime
    uuid: str
    created_at: datetime


def read_windows(
    posthog: PostHog,
    windows: Sequence[Window],
    *,
    selection: Selection,
    landing: Path,
    workers: int = 3,
) -> Iterator[WindowPages]:
    """Read windows, several at a time, and give each as soon as it is complete.

    Args:
        posthog: the client, shared by the workers.
        windows: what to read; they may overlap.
        selection: which events, and how many rows a page.
        landing: a folder of this run's own for the page files; made here.
        workers: windows in flight. At most twice as many wait to be taken, which bounds the disk.

    Raises:
        PostHogError: as `PostHog.query`; the other windows in flight are given up.
    """
    landing.mkdir(parents=True, exist_ok=True)
    waiting = iter(enumerate(windows))
    with ThreadPoolExecutor(workers, thread_name_prefix="posthog") as pool:
        in_flight: set[Future[WindowPages]] = set()
        try:
            while True:
                while len(in_flight) < 2 * workers and (item := next(waiting, None)):
                    number, window = item
                    in_flight.add(
                        pool.submit(
                            tracing.carried(_read_window),
                            posthog,
                            window,
                            selection,
                            landing / f"{number:05d}",
                        )
                    )
                if not in_flight:
                    return
                done, in_flight = wait(in_flight, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _read_window(posthog: PostHog, window: Window, selection: Selection, stem: Path) -> WindowPages:
    """Read one window, in halves where PostHog finds it too heavy."""
    pages: list[Path] = []
    rows = 0
    todo = [(window, _Cursor(window.start, _NO_UUID, window.created_after))]
    while todo:
        part, cursor = todo.pop()
        try:
            page = _query_page(posthog, part, cursor, selection)
        except QueryTooHeavy:
            halves = replace(part, start=max(part.start, cursor.timestamp)).halves()
            if halves is None:
                raise
            first, second = halves
            todo.append((second, _Cursor(second.start, _NO_UUID, second.created_after)))
            todo.append((first, cursor))
            continue
        if page:
            path = stem.with_name(f"{stem.name}-{len(pages):05d}.ndjson")
            _write_page(path, page)
            pages.append(path)
            rows += len(page)
        if len(page) == selection.page_rows:  # the only sign that there is more
            todo.append((part, _cursor_after(page[-1])))
    return WindowPages(window, tuple(pages), rows)


def _query_page(
    posthog: PostHog, window: Window, cursor: _Cursor, selection: Selection
) -> list[msgspec.Raw]:
    start = max(window.start, cursor.timestamp)
    is_wanted, copies = "true", {}
    if selection.has_copies_only:
        is_wanted = f"uuid IN ({read_sql('events', 'copied_uuids.hogql')})"
        copies = {"copies_start": utc_text(window.start)}
    return posthog.query(
        read_sql("events", "events.hogql").replace("{is_wanted}", is_wanted),
        values={
            "events": list(selection.events),
            "bulky_events": list(selection.bulky_events) or NO_NAMES,
            "bulky_properties": list(selection.bulky_properties) or NO_NAMES,
            "window_start": utc_text(start),
            "window_end": utc_text(window.end),
            "created_after": utc_text(window.created_after),
            "after_timestamp": utc_text(cursor.timestamp),
            "after_uuid": cursor.uuid,
            "after_created_at": utc_text(cursor.created_at),
            "page_rows": selection.page_rows,
            **copies,
        },
        name=f"leadpipe: {'copies' if copies else 'events'} from {start:%Y-%m-%d %H:%M}",
    ).rows


def _cursor_after(row: msgspec.Raw) -> _Cursor:
    uuid, _, timestamp, created_at, *_ = msgspec.json.decode(
        row, type=tuple[str, str, datetime, datetime, object, object, object]
    )
    return _Cursor(timestamp, uuid, created_at)


def _write_page(path: Path, rows: Sequence[msgspec.Raw]) -> None:
    """Write rows as newline-delimited JSON; what is no text is replaced rather than refused."""
    with path.open("wb") as file:
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            file.write(_lines([bytes(raw) for raw in rows[start : start + _ROWS_AT_ONCE]]))


def _lines(rows: list[bytes]) -> bytes:
    """Rows as lines; looked at together first, as hardly any needs to be looked at by itself."""
    lines = b"\n".join(rows)
    if lines.count(b"\n") >= len(rows):  # pretty-printed by something on the way
        rows = [msgspec.json.format(row, indent=-1) for row in rows]
    if not lines.isascii():
        rows = [row if row.isascii() else row.decode(errors="replace").encode() for row in rows]
    if may_have_half_emoji(lines):
        rows = [_mended(row) if may_have_half_emoji(row) else row for row in rows]
    return b"\n".join([*rows, b""])


def _mended(row: bytes) -> bytes:
    """A row whose properties, which are JSON within a text, hold no half emoji."""
    try:
        *others, properties = msgspec.json.decode(row, type=list[str | None])
    except msgspec.MsgspecError:
        return row
    if properties is None:
        return row
    mended = mended_json(properties.encode()).decode()
    return row if mended == properties else msgspec.json.encode([*others, mended])
