"""How the syncs of weekly visitors went: what the page, `/api/sync` and `leadpipe visitors status` say."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Ask = Callable[[str], Sequence[Mapping[str, Any]]]


def sync_counts(ask: Ask) -> dict[str, Any]:
    """How many syncs succeeded and failed, and the last one.

    Args:
        ask: rows of a SELECT over the published tables.
    """
    rows = ask("SELECT * FROM visitor_syncs ORDER BY started_at DESC, run_id")
    return {
        "succeeded": sum(row["status"] == "succeeded" for row in rows),
        "failed": sum(row["status"] == "failed" for row in rows),
        "last": rows[0] if rows else None,
    }


def week_counts(ask: Ask) -> dict[str, Any]:
    """How many weeks are stored, from where, and when one last changed."""
    [row] = ask(
        "SELECT count(*) AS weeks, count(*) FILTER (source = 'manual') AS counted_by_hand, "
        "min(week_start) AS first_week, max(week_start) AS last_week, max(updated_at) AS last_change "
        "FROM visitor_metrics"
    )
    return dict(row)
