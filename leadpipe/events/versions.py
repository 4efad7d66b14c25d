"""Versions of days and runs: they rise whenever a row changes, so that marts know what to build again."""

from collections.abc import Sequence
from datetime import date

import duckdb


def mark_changed(
    connection: duckdb.DuckDBPyConnection, days: Sequence[date], runs: Sequence[str]
) -> None:
    """Raise the version of days and runs, so that marts know what to build again."""
    if days:
        connection.execute(
            "INSERT INTO event_days (event_date, version) "
            "SELECT day, 0 FROM unnest($days::DATE[]) AS d(day) "
            "WHERE day NOT IN (SELECT event_date FROM event_days)",
            {"days": list(days)},
        )
        connection.execute(
            "UPDATE event_days SET version = version + 1 "
            "WHERE event_date IN (SELECT unnest($days::DATE[]))",
            {"days": list(days)},
        )
    if runs:
        connection.execute(
            "UPDATE runs SET version = version + 1 WHERE run_id IN (SELECT unnest($runs::VARCHAR[]))",
            {"runs": list(runs)},
        )
