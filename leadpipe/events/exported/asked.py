"""Which file downloads were asked of PostHog, in `file_downloads`, so that a killed run can be gone on with.

PostHog lists its exports without saying of what they are; so each is noted here as soon as it has an id.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import duckdb

from leadpipe.events.exported.spans import Span
from leadpipe.events.ledger import Run

KEPT = timedelta(days=1)
"""So long a download is gone on with, and what it brought is not asked for again."""

Ending = Literal["taken in", "cancelled", "failed"]


@dataclass(frozen=True)
class Asked:
    """An export that PostHog was asked for."""

    export_id: str
    span: Span


def note_asked(
    connection: duckdb.DuckDBPyConnection, asked: Asked, *, mapping: str, run: Run, now: datetime
) -> None:
    """Keep that an export of a span was asked for, with the names and properties of a mapping."""
    connection.execute(
        """
        INSERT INTO file_downloads BY NAME SELECT
            $export_id AS export_id, $start AS span_start, $end AS span_end, $rows AS rows_expected,
            $mapping AS mapping, 'asked' AS state, $run_id AS run_id, $attempt_id AS attempt_id,
            $now AS asked_at, 0 AS files, 0 AS rows
        """,
        {
            "export_id": asked.export_id,
            "start": asked.span.start,
            "end": asked.span.end,
            "rows": asked.span.rows,
            "mapping": mapping,
            "run_id": run.run_id,
            "attempt_id": run.attempt,
            "now": now,
        },
    )


def left_behind(
    connection: duckdb.DuckDBPyConnection,
    *,
    mapping: str,
    is_alive: Callable[[str], bool],
    now: datetime,
) -> tuple[list[Asked], list[Asked]]:
    """The exports of attempts that are over: those to go on with, and those that nobody will.

    Args:
        connection: the warehouse.
        mapping: the version in use; an export under another one has other events.
        is_alive: whether an attempt goes on.
        now: when (UTC).
    """
    rows = connection.execute(
        "SELECT export_id, span_start, span_end, rows_expected, attempt_id, "
        "mapping = $mapping AND asked_at > $since AS is_useful "
        "FROM file_downloads WHERE state = 'asked' ORDER BY span_start, export_id",
        {"mapping": mapping, "since": now - KEPT},
    ).fetchall()
    useful: list[Asked] = []
    useless: list[Asked] = []
    for export_id, start, end, expected, attempt, is_useful in rows:
        if not is_alive(attempt):
            (useful if is_useful else useless).append(Asked(export_id, Span(start, end, expected)))
    return useful, useless


def brought(
    connection: duckdb.DuckDBPyConnection, *, mapping: str, now: datetime
) -> tuple[Span, ...]:
    """The spans whose events were all taken in lately under a mapping."""
    rows = connection.execute(
        "SELECT span_start, span_end, rows FROM file_downloads WHERE state = 'taken in' "
        "AND mapping = $mapping AND ended_at > $since ORDER BY span_start",
        {"mapping": mapping, "since": now - KEPT},
    ).fetchall()
    return tuple(Span(start, end, rows) for start, end, rows in rows)


def note_ended(
    connection: duckdb.DuckDBPyConnection,
    export_id: str,
    state: Ending,
    *,
    now: datetime,
    files: int = 0,
    rows: int = 0,
    reason: str | None = None,
) -> None:
    """Keep how an export ended, and why."""
    connection.execute(
        "UPDATE file_downloads SET state = $state, ended_at = $now, files = $files, rows = $rows, "
        "reason = $reason WHERE export_id = $export_id",
        {
            "export_id": export_id,
            "state": state,
            "now": now,
            "files": files,
            "rows": rows,
            "reason": reason,
        },
    )


@dataclass(frozen=True)
class Downloads:
    """What came of the exports of a run; `failures` are the reasons, a line each."""

    exports: int
    files: int
    rows: int
    failures: tuple[str, ...]


def of_run(connection: duckdb.DuckDBPyConnection, run_id: str) -> Downloads:
    """What the exports that a run asked for brought."""
    rows = connection.execute(
        "SELECT state, files, rows, reason FROM file_downloads WHERE run_id = ? ORDER BY span_start",
        [run_id],
    ).fetchall()
    taken_in = [(files, count) for state, files, count, _ in rows if state == "taken in"]
    return Downloads(
        exports=len(taken_in),
        files=sum(files for files, _ in taken_in),
        rows=sum(count for _, count in taken_in),
        failures=tuple(reason for state, _, _, reason in rows if state == "failed"),
    )
