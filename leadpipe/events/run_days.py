"""On which days the events of runs are, so that they are looked for there and not in all history.

Ids of runs have no order: by their least and greatest no part of a table can be passed over, by those of
days it can. A day stays noted when its events are gone.
"""

from collections.abc import Collection
from datetime import date

import duckdb


def note_days(connection: duckdb.DuckDBPyConnection, days: Collection[tuple[str, date]]) -> None:
    """Remember, in the transaction that stores them, that events are on these days: runs and days."""
    if not days:
        return
    connection.execute(
        """
        INSERT INTO run_days
        SELECT unnest($runs::VARCHAR[]) AS run_id, unnest($days::DATE[]) AS event_date
        EXCEPT FROM run_days
        """,
        {"runs": [run_id for run_id, _ in days], "days": [day for _, day in days]},
    )


def of_runs(day: str, runs: str = "SELECT unnest($runs::VARCHAR[])") -> str:
    """A condition on rows of runs.

    Args:
        day: the column that has the day (UTC) of the row, or of one of its events.
        runs: a SELECT of the runs' ids.
    """
    days = f"SELECT event_date FROM run_days WHERE run_id IN ({runs})"
    return f"run_id IN ({runs}) AND {day} IN ({days})"
