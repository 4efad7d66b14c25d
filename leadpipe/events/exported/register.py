"""Which exported files were seen, and what became of each version: the table `exported_files`.

A version of a file is its key and ETag. It counts as taken in the transaction that merges its last rows. A
key has one version that counts; others are superseded. What to do with a file is `choosing.py`'s business.
"""

from collections.abc import Collection
from datetime import date, datetime

import duckdb

from leadpipe.events.exported.bucket import StoredObject
from leadpipe.events.exported.choosing import KnownFile, State
from leadpipe.events.exported.keys import read_key


def known_files(connection: duckdb.DuckDBPyConnection) -> dict[str, KnownFile]:
    """The version of each key that counts."""
    return {
        key: KnownFile(key, e_tag, state)
        for key, e_tag, state in connection.execute(
            "SELECT key, e_tag, state FROM exported_files WHERE state <> 'superseded'"
        ).fetchall()
    }


def note(
    connection: duckdb.DuckDBPyConnection,
    stored: StoredObject,
    state: State,
    *,
    now: datetime,
    run_id: str,
    reason: str | None = None,
    model: str | None = None,
    rows: int | None = None,
    events_new: int | None = None,
) -> None:
    """Keep what became of a version of a file; run it in the transaction of what it says.

    Args:
        connection: the warehouse, in a transaction.
        stored: the version.
        state: see `choosing.State`.
        now: when (UTC).
        run_id: of the run that decided.
        reason: why, where that is not plain; without secrets and personal data.
        model: `events`, `persons`, `manifest`, or what leadpipe does not take.
        rows: that it has.
        events_new: of these, how many nothing had brought before.
    """
    named = read_key(stored.key)
    if named is None:
        raise ValueError(f"{stored.key} is no file of an export")
    version = {"key": stored.key, "e_tag": stored.e_tag}
    connection.execute(
        """
        UPDATE exported_files SET state = 'superseded', reason = 'there is another version'
        WHERE key = $key AND e_tag <> $e_tag AND state <> 'superseded'
        """,
        version,
    )
    connection.execute(
        """
        INSERT INTO exported_files BY NAME SELECT
            $key AS key, $e_tag AS e_tag, $size AS size, $start AS interval_start, $end AS interval_end,
            $state AS state, $now AS first_seen_at
        WHERE NOT EXISTS (FROM exported_files WHERE key = $key AND e_tag = $e_tag)
        """,
        {
            **version,
            "size": stored.size,
            "start": named.interval.start,
            "end": named.interval.end,
            "state": state,
            "now": now,
        },
    )
    connection.execute(
        """
        UPDATE exported_files SET
            state = $state, reason = $reason, model = coalesce($model, model), rows = $rows,
            events_new = $events_new, run_id = $run_id, taken_at = if($state = 'taken', $now, NULL)
        WHERE key = $key AND e_tag = $e_tag
        """,
        {
            **version,
            "state": state,
            "reason": reason,
            "model": model,
            "rows": rows,
            "events_new": events_new,
            "run_id": run_id,
            "now": now,
        },
    )


def note_removed(connection: duckdb.DuckDBPyConnection, keys: Collection[str]) -> None:
    """Files that are not there any more, and whose rows nobody has taken."""
    connection.execute(
        "UPDATE exported_files SET state = 'removed', reason = 'it is not there any more' "
        "WHERE key IN (SELECT unnest($keys::VARCHAR[])) AND state <> 'superseded'",
        {"keys": list(keys)},
    )


def note_days(connection: duckdb.DuckDBPyConnection, days: Collection[date]) -> None:
    """Days that files changed: to be compared with PostHog, whatever ends the run before."""
    connection.execute(
        "INSERT INTO exported_days SELECT day FROM unnest($days::DATE[]) AS d(day) "
        "WHERE day NOT IN (SELECT event_date FROM exported_days)",
        {"days": sorted(days)},
    )


def days_to_prove(connection: duckdb.DuckDBPyConnection) -> list[date]:
    """The days that files changed and that were not compared since."""
    return [
        day
        for (day,) in connection.execute(
            "SELECT DISTINCT event_date FROM exported_days ORDER BY event_date"
        ).fetchall()
    ]


def note_compared(connection: duckdb.DuckDBPyConnection, days: Collection[date]) -> None:
    """These were compared, or cannot be."""
    connection.execute(
        "DELETE FROM exported_days WHERE event_date IN (SELECT unnest($days::DATE[]))",
        {"days": sorted(days)},
    )


def last_end(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Up to when files of events were taken: the end of the latest interval."""
    found = connection.execute(
        "SELECT max(interval_end) FROM exported_files WHERE state = 'taken' AND model = 'events'"
    ).fetchone()
    return found[0] if found else None
