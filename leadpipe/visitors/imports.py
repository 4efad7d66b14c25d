"""Weeks counted by hand, from a CSV file: all of them or none."""

import csv
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

import duckdb

from leadpipe.errors import ConfigurationError
from leadpipe.visitors.metrics import WeekCounts, store_week, stored_weeks
from leadpipe.visitors.weeks import parse_week, week_name

_COLUMNS = ("week", "visitors", "signups")
_MOST_SHOWN = 10


def read_weeks(path: Path) -> dict[date, WeekCounts]:
    """The weeks of a CSV file with the columns `week`, `visitors`, `signups` and, if counted, `pageviews`.

    A week is written as 2026-W47, or as one of its days.

    Raises:
        ConfigurationError: the file cannot be read, or lines in it are wrong; all of them are named.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = [name.strip().lower() for name in reader.fieldnames or ()]
            missing = [column for column in _COLUMNS if column not in names]
            if missing:
                raise ConfigurationError(
                    f"{path} has no column {' and no column '.join(missing)}; its first line should be "
                    "week,visitors,signups or week,visitors,pageviews,signups"
                )
            reader.fieldnames = names
            lines = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path} cannot be read as CSV: {error}") from None
    weeks: dict[date, WeekCounts] = {}
    problems: list[str] = []
    for number, row in lines:
        try:
            week, counts = _week_of_line(row)
        except ConfigurationError as error:
            problems.append(f"line {number}: {error}")
            continue
        if week in weeks:
            problems.append(f"line {number}: {week_name(week)} is there twice")
        weeks[week] = counts
    if problems:
        shown = "; ".join(problems[:_MOST_SHOWN])
        more = f"; and {len(problems) - _MOST_SHOWN} more" if len(problems) > _MOST_SHOWN else ""
        raise ConfigurationError(f"{path}: {shown}{more}. Nothing was imported.")
    if not weeks:
        raise ConfigurationError(f"{path} has no weeks, only a header")
    return weeks


def import_weeks(
    connection: duckdb.DuckDBPyConnection,
    weeks: Mapping[date, WeekCounts],
    *,
    is_replacing: bool,
    now: datetime,
) -> Sequence[date]:
    """Store weeks counted by hand, inside a transaction; no sync overwrites them.

    Args:
        connection: the warehouse, in a transaction.
        weeks: by their Mondays.
        is_replacing: also weeks that PostHog has counted.
        now: kept as the time of the change.

    Returns:
        The weeks that were new or differ from what was stored.

    Raises:
        ConfigurationError: PostHog has counted one of the weeks, and it is not to be replaced.
    """
    stored = stored_weeks(connection)
    counted = [week for week in sorted(weeks) if stored.get(week, ("manual",))[0] == "posthog"]
    if counted and not is_replacing:
        raise ConfigurationError(
            f"PostHog has counted {', '.join(map(week_name, counted[:_MOST_SHOWN]))} already; nothing was "
            "imported. Leave these weeks out, or say --replace to have your own numbers instead."
        )
    changed = []
    for week, counts in sorted(weeks.items()):
        source, before = stored.get(week, (None, None))
        if source == "manual" and before == counts:
            continue
        store_week(connection, week, counts, before, source="manual", run_id=None, now=now)
        changed.append(week)
    return changed


def _week_of_line(row: Mapping[str, str | None]) -> tuple[date, WeekCounts]:
    week = parse_week(row.get("week") or "")
    visitors = _count(row, "visitors")
    signups = _count(row, "signups")
    pageviews = _count(row, "pageviews") if (row.get("pageviews") or "").strip() else None
    if pageviews is not None and pageviews < visitors:
        raise ConfigurationError(f"{pageviews} pageviews cannot come from {visitors} visitors")
    return week, WeekCounts(visitors, pageviews, signups)


def _count(row: Mapping[str, str | None], column: str) -> int:
    text = (row.get(column) or "").strip()
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError(f"{column} is {text!r}; it should be a whole number such as 1234")
    return int(text)
