"""Which file downloads were asked of PostHog, in `file_downloads`, so that a killed run can be gone on with.

PostHog lists its exports without saying of what they are; so each is noted here before it is asked for, and
with its id as soon as there is an answer. After a kill between the two the export is looked for by the moment
that its id tells, and by its span, which the names of its files tell.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import duckdb

from leadpipe.events.exported.spans import Span
from leadpipe.events.ledger import Run

KEPT = timedelta(days=1)
"""So long a download is gone on with, and what it brought is not asked for again."""

_SKEW = timedelta(minutes=5)
"""By which PostHog's clock may be behind or before ours."""
_ANSWER = timedelta(minutes=15)
"""So long PostHog may take to make an export that it was asked for."""

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


@dataclass(frozen=True)
class Intent:
    """An export that was about to be asked for; nobody knows whether it was.

    Attributes:
        id: in place of PostHog's.
        span: of what.
        at: when (UTC).
    """

    id: str
    span: Span
    at: datetime

    def may_be(self, export_id: str) -> bool:
        """Whether an export was made when this one was asked for: ids begin with their milliseconds."""
        try:
            made = datetime.fromtimestamp((uuid.UUID(export_id).int >> 80) / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            return False
        return self.at - _SKEW <= made <= self.at + _SKEW + _ANSWER


def note_intent(
    connection: duckdb.DuckDBPyConnection, span: Span, *, mapping: str, run: Run, now: datetime
) -> Intent:
    """Keep that an export is about to be asked for."""
    intent = Intent(f"asking-{uuid.uuid4()}", span, now)
    note_asked(connection, Asked(intent.id, span), mapping=mapping, run=run, now=now)
    connection.execute(
        "UPDATE file_downloads SET state = 'asking' WHERE export_id = ?", [intent.id]
    )
    return intent


def note_answer(
    connection: duckdb.DuckDBPyConnection, intent: Intent, export_id: str | None
) -> None:
    """Keep which export was made, or forget that one was to be."""
    if export_id is None:
        connection.execute("DELETE FROM file_downloads WHERE export_id = ?", [intent.id])
    else:
        connection.execute(
            "UPDATE file_downloads SET export_id = ?, state = 'asked' WHERE export_id = ?",
            [export_id, intent.id],
        )


def unanswered(
    connection: duckdb.DuckDBPyConnection, *, is_alive: Callable[[str], bool]
) -> list[Intent]:
    """The intents of attempts that are over, the oldest first."""
    rows = connection.execute(
        "SELECT export_id, span_start, span_end, rows_expected, asked_at, attempt_id "
        "FROM file_downloads WHERE state = 'asking' ORDER BY asked_at"
    ).fetchall()
    return [
        Intent(intent_id, Span(start, end, expected), at)
        for intent_id, start, end, expected, at, attempt in rows
        if not is_alive(attempt)
    ]


def known_ids(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The exports that are noted."""
    return {
        export_id
        for (export_id,) in connection.execute("SELECT export_id FROM file_downloads").fetchall()
    }


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
