"""The `runs` ledger: what each run asked, read, brought and rejected, and how it ended.

A run is one sync, drain, import or rebuild, however many Dagster runs it takes: its parts, in `run_parts`.
A run's counts are written in the transactions that load its rows, so they are exact even for a run
that was killed. What a part is for Dagster (steps, logs) is Dagster's business.
"""

import json
import os
import socket
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal

import duckdb

from leadpipe.events.lanes import LaneChoice
from leadpipe.posthog import CallCounts
from leadpipe.warehouse import Rows, alive_among, read_sql, rows_of, stamp

RunKind = Literal["scheduled", "manual", "backfill", "webhook", "bucket", "rebuild"]

_PATIENCE = timedelta(hours=6)
"""So long a part may wait in Dagster's queue after the one before it; one that comes later still counts."""


@dataclass(frozen=True)
class Run:
    """Who is loading, and why.

    Args:
        run_id: of the run: new rows are stamped with it.
        kind: why the run exists.
        part_id: which part of the run this is, the same for each attempt at it; by default the only one.
        attempt_id: the attempt at the part: Dagster's run id, under which its process is `living`. By
            default the run's own.
        parts: how many parts the run has, as far as was known when it was started.
    """

    run_id: str
    kind: RunKind
    part_id: str | None = None
    attempt_id: str | None = None
    parts: int = 1

    @property
    def attempt(self) -> str:
        """The attempt's id."""
        return self.attempt_id or self.run_id

    @property
    def part(self) -> str:
        """The part's id."""
        return self.part_id or self.attempt


def begin_run(
    connection: duckdb.DuckDBPyConnection, run: Run, *, days: Sequence[date], now: datetime
) -> None:
    """Enter a part of a run: the first one begins the run, others and further attempts go on with it.

    Until it is finished, its process is alive under the attempt's id.
    """
    stamp(connection, f"{run.kind} run begins", run_id=run.run_id)
    window = {"first": min(days, default=None), "last": max(days, default=None)}
    attempt = {"run_id": run.run_id, "attempt_id": run.attempt}
    if not _is_known(connection, "run_parts", attempt):
        connection.execute(
            """
            INSERT INTO run_parts BY NAME SELECT
                $run_id AS run_id, $part_id AS part_id, $attempt_id AS attempt_id,
                1 + count(*) AS attempt, 'running' AS status, $now AS started_at
            FROM run_parts WHERE run_id = $run_id AND part_id = $part_id
            """,
            {**attempt, "part_id": run.part, "now": now},
        )
    connection.execute(
        """
        UPDATE run_parts SET status = 'running', error = NULL, finished_at = NULL,
            window_start = least(window_start, $first), window_end = greatest(window_end, $last)
        WHERE run_id = $run_id AND attempt_id = $attempt_id
        """,
        {**attempt, **window},
    )
    here = {"run_id": run.run_id, "host": socket.gethostname(), "pid": os.getpid()}
    if not _is_known(connection, "runs", {"run_id": run.run_id}):
        connection.execute(
            """
            INSERT INTO runs BY NAME SELECT
                $run_id AS run_id, $kind AS kind, 'running' AS status, 0 AS events_fetched,
                0 AS events_new, 0 AS events_duplicate, 0 AS events_rejected, '{}' AS rejected_reasons,
                0 AS api_calls, 0 AS retries, 0 AS rate_limits, 0 AS version, $host AS host, $pid AS pid,
                $now AS started_at, $parts AS parts
            """,
            {**here, "kind": run.kind, "parts": run.parts, "now": now},
        )
    connection.execute(
        """
        UPDATE runs SET status = 'running', error = NULL, finished_at = NULL, pid = $pid, host = $host,
            window_start = least(window_start, $first), window_end = greatest(window_end, $last),
            parts = greatest(parts, $parts, (
                SELECT count(DISTINCT part_id) FROM run_parts WHERE run_id = $run_id
            ))
        WHERE run_id = $run_id
        """,
        {**here, **window, "parts": run.parts},
    )


def note_lane(connection: duckdb.DuckDBPyConnection, run: Run, choice: LaneChoice) -> None:
    """Keep which way the events of a part were to come, and why."""
    connection.execute(
        "UPDATE run_parts SET lane = $lane, lane_reason = $why "
        "WHERE run_id = $run_id AND attempt_id = $attempt_id",
        {
            "lane": choice.lane,
            "why": choice.why,
            "run_id": run.run_id,
            "attempt_id": run.attempt,
        },
    )


def lanes_of(connection: duckdb.DuckDBPyConnection, run_id: str) -> tuple[LaneChoice, ...]:
    """Which ways the events of a run were to come, each once, with the reason of its last part."""
    rows = connection.execute(
        "SELECT lane, arg_max(lane_reason, started_at) FROM run_parts "
        "WHERE run_id = ? AND lane IS NOT NULL GROUP BY lane ORDER BY lane",
        [run_id],
    ).fetchall()
    return tuple(LaneChoice(lane, why) for lane, why in rows)


def ranges_so_far(
    connection: duckdb.DuckDBPyConnection, run_id: str
) -> list[tuple[date, date]] | None:
    """The days of a run's parts that are over, while others are to come; None if it is over or unknown."""
    if not _is_known(connection, "runs", {"run_id": run_id, "status": "running"}):
        return None
    return connection.execute(
        "SELECT window_start, window_end FROM run_parts WHERE run_id = ? AND finished_at IS NOT NULL",
        [run_id],
    ).fetchall()


def _is_known(connection: duckdb.DuckDBPyConnection, table: str, key: dict[str, str]) -> bool:
    condition = " AND ".join(f"{name} = ${name}" for name in key)
    found = connection.execute(f"SELECT 1 FROM {table} WHERE {condition}", key).fetchone()
    return found is not None


def mark_interrupted(
    connection: duckdb.DuckDBPyConnection, *, landing: Path, now: datetime
) -> None:
    """Close the parts whose process was killed: those that nobody is alive for, here or on another machine.

    A run goes on while parts of it have not come. It is closed when nobody will start them: a command lives
    under the id of its run, which is that of its first part; Dagster's queue has had its time.
    """
    running = connection.execute(
        "SELECT run_id, attempt_id FROM run_parts WHERE status = 'running'"
    ).fetchall()
    alive = alive_among(connection, landing, [attempt for _, attempt in running])
    killed = [(run, attempt) for run, attempt in running if attempt not in alive]
    for run, attempt in killed:
        connection.execute(
            "UPDATE run_parts SET status = 'interrupted', finished_at = ?, "
            "error = 'the process ended before the run did' WHERE run_id = ? AND attempt_id = ?",
            [now, run, attempt],
        )
    settle(connection, {run for run, _ in killed})
    waiting = connection.execute("""
        SELECT run_id, max(run_parts.finished_at) AS last_at, bool_or(attempt_id = run_id)
        FROM runs JOIN run_parts USING (run_id) WHERE runs.status = 'running'
        GROUP BY run_id HAVING NOT bool_or(run_parts.status = 'running')
    """).fetchall()
    alive = alive_among(connection, landing, [run for run, *_ in waiting])
    settle(
        connection,
        {
            run
            for run, last_at, is_of_a_command in waiting
            if run not in alive and (is_of_a_command or now - last_at >= _PATIENCE)
        },
        is_given_up=True,
    )


def finish_run(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    *,
    calls: CallCounts,
    now: datetime,
    error: str | None = None,
) -> None:
    """Close a part as succeeded, or as failed when there is an error text (without secrets).

    The run is over with its last part, and has failed if one has.
    """
    stamp(connection, f"{run.kind} run ends", run_id=run.run_id)
    connection.execute(
        "UPDATE run_parts SET status = $status, error = $error, finished_at = $now "
        "WHERE run_id = $run_id AND attempt_id = $attempt_id",
        {
            "status": "failed" if error else "succeeded",
            "error": error,
            "now": now,
            "run_id": run.run_id,
            "attempt_id": run.attempt,
        },
    )
    count_calls(connection, run.run_id, calls)
    settle(connection, {run.run_id})


def count_calls(connection: duckdb.DuckDBPyConnection, run_id: str, calls: CallCounts) -> None:
    """Add requests to those of a run, also after it is over."""
    connection.execute(
        "UPDATE runs SET api_calls = api_calls + $api_calls, retries = retries + $retries, "
        "rate_limits = rate_limits + $rate_limits WHERE run_id = $run_id",
        {
            "api_calls": calls.api_calls,
            "retries": calls.retries,
            "rate_limits": calls.rate_limits,
            "run_id": run_id,
        },
    )


def settle(
    connection: duckdb.DuckDBPyConnection, run_ids: Collection[str], *, is_given_up: bool = False
) -> None:
    """Let runs have the status that follows from the last attempts at their parts.

    Args:
        connection: the warehouse.
        run_ids: of the runs.
        is_given_up: whether the parts that have not begun will not come.
    """
    if not run_ids:
        return
    # By way of a table: a lake takes no rows for an update from the table that it updates.
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE settled AS {read_sql('events', 'run_states.sql')}",
        {"runs": sorted(run_ids), "is_given_up": is_given_up},
    )
    connection.execute(
        "UPDATE runs SET status = settled.status, error = settled.error, "
        "finished_at = settled.finished_at FROM settled WHERE runs.run_id = settled.run_id"
    )
    connection.execute("DROP TABLE settled")


def rejected_by(connection: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> dict[str, int]:
    """How many events the runs rejected, by reason, the most frequent first."""
    rows = connection.execute(
        "SELECT rejected_reasons FROM runs WHERE run_id IN (SELECT unnest($ids::VARCHAR[]))",
        {"ids": list(run_ids)},
    ).fetchall()
    counts: Counter[str] = Counter()
    for (reasons,) in rows:
        counts.update(json.loads(reasons))
    return dict(counts.most_common())


def runs_of(connection: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> Rows:
    """What the runs did, for people, in the order they began."""
    return rows_of(
        connection.execute(
            "SELECT window_start, window_end, parts, events_fetched, events_new, events_duplicate, "
            "events_rejected, api_calls, status, run_id FROM runs "
            "WHERE run_id IN (SELECT unnest($ids::VARCHAR[])) ORDER BY started_at, run_id",
            {"ids": list(run_ids)},
        )
    )
