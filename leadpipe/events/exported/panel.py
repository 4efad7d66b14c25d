"""What the page shows of files: those that were refused with why, the latest taken, and downloads."""

import shlex
from collections.abc import Mapping
from typing import Any

from leadpipe.web.dagster_access import DagsterLinks
from leadpipe.web.parts import Look

_MOST = 8
_REFUSED: Mapping[str, tuple[str, str]] = {
    "unreadable": ("could not be read", "Export the interval again, or remove the file."),
    "foreign": ("is another project's", "Correct LEADPIPE_BUCKET."),
    "incomplete": (
        "lists files that are not there",
        "Put them back, or export the interval again.",
    ),
    "postponed": ("could not be fetched", "The next run tries again."),
    "waiting": ("waits for its manifest", "Nothing: it is taken when its export is whole."),
}
"""States that somebody may have to do something about, in words, the worst first, and what to do."""
_DOWNLOADS: Mapping[str, str] = {
    "asking": "asked for, without an answer yet",
    "asked": "asked for, not taken in yet",
    "taken in": "taken in",
    "failed": "failed; read by query instead",
    "cancelled": "cancelled",
}
_WRONG = {"unreadable", "foreign", "incomplete"}


def latest_files(look: Look) -> Mapping[str, Any] | None:
    """Exported files and downloads, None where no lane of files is used; asked for once a publication."""
    found = look.made("latest files", lambda: _found(look))
    return {**found, "asset": DagsterLinks(look.web).asset("exported_files")} if found else None


def _found(look: Look) -> Mapping[str, Any] | None:
    counts = look.query("SELECT state, count(*) AS files FROM exported_files GROUP BY state")
    downloads = look.query(
        "SELECT span_start, span_end, state, reason, rows_expected, rows, files, asked_at "
        "FROM file_downloads ORDER BY asked_at DESC, export_id LIMIT $most",
        {"most": _MOST},
    )
    if not counts and not downloads:
        return None
    found = {row["state"]: row["files"] for row in counts}
    refused = look.query(
        "SELECT key, state, reason, size, first_seen_at FROM exported_files "
        "WHERE list_contains($states::VARCHAR[], state) "
        "ORDER BY list_position($states::VARCHAR[], state), first_seen_at DESC, key LIMIT $most",
        {"states": list(_REFUSED), "most": _MOST},
    )
    for row in refused:
        row["said"], row["todo"] = _REFUSED[row["state"]]
        row["is_wrong"] = row["state"] in _WRONG
        row["reason"] = _sentence(row["reason"])
        row["command"] = (
            f"leadpipe files take {shlex.quote(row['key'])}" if row["is_wrong"] else None
        )
    for row in downloads:
        row["said"] = _DOWNLOADS[row["state"]]
        row["is_wrong"] = row["state"] == "failed"
    return {
        "taken": found.get("taken", 0),
        "refused_count": sum(found.get(state, 0) for state in _REFUSED),
        "refused": refused,
        "latest": look.query(
            "SELECT key, model, rows, events_new, taken_at FROM exported_files "
            "WHERE state = 'taken' AND model <> 'manifest' ORDER BY taken_at DESC, key LIMIT $most",
            {"most": _MOST},
        ),
        "downloads": downloads,
        "unproved_days": [
            row["event_date"] for row in look.query("SELECT event_date FROM exported_days")
        ],
    }


def _sentence(reason: str | None) -> str:
    return f"{reason[0].upper()}{reason[1:].removesuffix('.')}." if reason else ""
