"""Which file downloads were asked of PostHog, in `file_downloads`: what a killed run began, the next goes on with.

PostHog lists its exports without saying of what they are; so each is noted here as soon as it has an id.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

import duckdb

from leadpipe.events.exported.spans import Span

KEPT = timedelta(days=1)
"""So long a download is gone on with; afterwards PostHog may have removed its files."""


def note_asked(
    connection: duckdb.DuckDBPyConnection,
    export_id: str,
    span: Span,
    *,
    mapping: str,
    run_id: str,
    now: datetime,
) -> None:
    """Keep that an export of a span was asked for, with the properties and names of a mapping."""
    connection.execute(
        """
        INSERT INTO file_downloads BY NAME SELECT
            $export_id AS export_id, $start AS span_start, $end AS span_end, $rows AS rows_expected,
            $mapping AS mapping, 'asked' AS state, $run_id AS run_id, $now AS asked_at,
            0 AS files, 0 AS rows
        """,
        {
            "export_id": export_id,
            "start": span.start,
            "end": span.end,
            "rows": span.rows,
            "mapping": mapping,
            "run_id": run_id,
            "now": now,
        },
    )


def under_way(
    connection: duckdb.DuckDBPyConnection, *, mapping: str, now: datetime
) -> dict[str, Span]:
    """The exports that are to be gone on with, by their ids; of another mapping they have other events."""
    rows = connection.execute(
        "SELECT export_id, span_start, span_end, rows_expected FROM file_downloads "
        "WHERE state = 'asked' AND mapping = $mapping AND asked_at > $since ORDER BY asked_at, export_id",
        {"mapping": mapping, "since": now - KEPT},
    ).fetchall()
    return {export_id: Span(start, end, expected) for export_id, start, end, expected in rows}


def forgotten(
    connection: duckdb.DuckDBPyConnection, *, wanted: Collection[str]
) -> tuple[str, ...]:
    """The exports that nobody will go on with: to be cancelled."""
    rows = connection.execute(
        "SELECT export_id FROM file_downloads WHERE state = 'asked' "
        "AND export_id NOT IN (SELECT unnest($wanted::VARCHAR[])) ORDER BY asked_at",
        {"wanted": list(wanted)},
    ).fetchall()
    return tuple(export_id for (export_id,) in rows)


def brought_by(
    connection: duckdb.DuckDBPyConnection, *, mapping: str, since: datetime
) -> tuple[Span, ...]:
    """The spans whose events were all taken in under a mapping since a moment."""
    rows = connection.execute(
        "SELECT span_start, span_end, rows FROM file_downloads WHERE state = 'taken in' "
        "AND mapping = $mapping AND ended_at > $since ORDER BY span_start",
        {"mapping": mapping, "since": since},
    ).fetchall()
    return tuple(Span(start, end, rows) for start, end, rows in rows)


def note_ended(
    connection: duckdb.DuckDBPyConnection,
    export_id: str,
    state: str,
    *,
    now: datetime,
    files: int = 0,
    rows: int = 0,
    reason: str | None = None,
) -> None:
    """Keep how an export ended: `taken in`, `cancelled` or `failed`, with the reason."""
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
