"""The `runs` ledger: what each run asked, read, brought and rejected, and how it ended.

A run's counts are written in the transactions that load its rows, so they are exact even for a run
that was killed. What a run is for Dagster (steps, logs) is Dagster's business; the ids are the same.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import duckdb

from leadpipe.living import is_living
from leadpipe.posthog import CallCounts
from leadpipe.warehouse import Rows, rows_of

RunKind = Literal["scheduled", "manual", "backfill", "webhook", "rebuild"]


@dataclass(frozen=True)
class Run:
    """Who is loading: the id that new rows are stamped with, and why the run exists."""

    run_id: str
    kind: RunKind


def begin_run(
    connection: duckdb.DuckDBPyConnection, run: Run, *, days: Sequence[date], now: datetime
) -> None:
    """Enter a run, or resume it when Dagster runs it again under the same id.

    Until it is finished, its process is `living` under the run's id.
    """
    window = {"first": min(days, default=None), "last": max(days, default=None)}
    known = connection.execute("SELECT 1 FROM runs WHERE run_id = ?", [run.run_id]).fetchone()
    if known:
        connection.execute(
            """
            UPDATE runs SET status = 'running', error = NULL, finished_at = NULL,
                pid = $pid, host = $host, window_start = least(window_start, $first),
                window_end = greatest(window_end, $last)
            WHERE run_id = $run_id
            """,
            {**window, "run_id": run.run_id, "pid": os.getpid(), "host": socket.gethostname()},
        )
    else:
        connection.execute(
            """
            INSERT INTO runs VALUES (
                $run_id, $kind, 'running', $first, $last, 0, 0, 0, 0, '{}', 0, 0, 0, 0, NULL,
                $host, $pid, $now, NULL
            )
            """,
            {
                **window,
                "run_id": run.run_id,
                "kind": run.kind,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "now": now,
            },
        )


def mark_interrupted(
    connection: duckdb.DuckDBPyConnection, *, landing: Path, now: datetime
) -> None:
    """Close the runs whose process was killed: those that nobody is `living` for in the landing folder."""
    running = connection.execute("SELECT run_id FROM runs WHERE status = 'running'").fetchall()
    for (run_id,) in running:
        if not is_living(landing, run_id):
            connection.execute(
                "UPDATE runs SET status = 'interrupted', finished_at = ?, "
                "error = 'the process ended before the run did' WHERE run_id = ?",
                [now, run_id],
            )


def finish_run(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    *,
    calls: CallCounts,
    now: datetime,
    error: str | None = None,
) -> None:
    """Close a run as succeeded, or as failed when there is an error text (without secrets)."""
    connection.execute(
        """
        UPDATE runs SET status = $status, error = $error, finished_at = $now,
            api_calls = api_calls + $api_calls, retries = retries + $retries,
            rate_limits = rate_limits + $rate_limits
        WHERE run_id = $run_id
        """,
        {
            "status": "failed" if error else "succeeded",
            "error": error,
            "now": now,
            "api_calls": calls.api_calls,
            "retries": calls.retries,
            "rate_limits": calls.rate_limits,
            "run_id": run.run_id,
        },
    )


def runs_of(connection: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> Rows:
    """What the runs did, for people, in the order they began."""
    return rows_of(
        connection.execute(
            "SELECT window_start, window_end, events_fetched, events_new, events_duplicate, "
            "events_rejected, api_calls, status, run_id FROM runs "
            "WHERE run_id IN (SELECT unnest($ids::VARCHAR[])) ORDER BY started_at, run_id",
            {"ids": list(run_ids)},
        )
    )
