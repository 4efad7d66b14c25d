"""The table `visitor_metrics`: compare each week with PostHog's own count, and keep what changed.

A week counted by hand is never overwritten, and a week that PostHog hides by its retention, wholly or partly,
stays as it was counted. Client, warehouse and clock are arguments; when a sync runs
is `leadpipe/automation.py`'s business, how a file of weeks is read is `imports.py`'s.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

import duckdb

from leadpipe.errors import LeadpipeError, PostHogError, QueryTooHeavy
from leadpipe.events.mapping.meant_hogql import means
from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.retention import Floor, asked_floor, current_floor
from leadpipe.posthog import NO_NAMES, PostHog, utc_text
from leadpipe.visitors.weeks import WEEK, start_of_week, week_dates, week_id
from leadpipe.warehouse import Warehouse, read_sql

Source = Literal["posthog", "manual"]
Stored = tuple[Source, "WeekCounts"]
_WEEKS_BEFORE = 4


@dataclass(frozen=True)
class WeekCounts:
    """What happened in a week; `pageviews` is None where nobody counted them."""

    visitors: int = 0
    pageviews: int | None = 0
    signups: int = 0

    @property
    def conversion_rate(self) -> float | None:
        """Signups per hundred visitors; None without visitors."""
        return self.signups * 100 / self.visitors if self.visitors else None


@dataclass(frozen=True)
class VisitorSyncReport:
    """What a sync did: `updated` weeks changed or are new, `skipped` ones did not or are by hand.

    Of the skipped ones `frozen` are those that PostHog's retention hides, wholly or partly.
    """

    updated: tuple[date, ...] = ()
    skipped: tuple[date, ...] = ()
    failed: Mapping[date, str] = field(default_factory=dict)
    frozen: tuple[date, ...] = ()

    @property
    def total(self) -> int:
        """How many weeks were looked at."""
        return len(self.updated) + len(self.skipped) + len(self.failed)


def sync_visitors(
    posthog: PostHog,
    warehouse: Warehouse,
    weeks: Sequence[date],
    *,
    run_id: str,
    mapping: EventMapping,
    clock: Callable[[], datetime],
    note: Callable[[str], None] = lambda _: None,
) -> VisitorSyncReport:
    """Ask PostHog for the weeks in one query, and store those whose counts differ.

    A range that is too heavy for PostHog is asked in halves; a single week that is too heavy counts as
    failed and keeps its row. A week that begins before PostHog's retention floor is not asked for. Where the
    oldest weeks lost events and nobody can tell why, they keep their rows. Every sync leaves a row in
    `visitor_syncs`, also one that fails.

    Args:
        posthog: the client.
        warehouse: opened for short moments only, not while PostHog counts.
        weeks: Mondays.
        run_id: kept with the sync and with every change.
        mapping: which events are pageviews, and which signups, the numerator of the conversion rate, by their
            names and filters.
        clock: the time (UTC).
        note: told what is being done, a short sentence each.

    Raises:
        PostHogError, WarehouseLocked; `visitor_syncs` has the sync as failed then.
    """
    started_at = clock()
    wanted = sorted(set(weeks))
    note(f"asking PostHog for {len(wanted)} weeks")
    try:
        floor = current_floor(posthog, warehouse, now=started_at)
        asked = [week for week in wanted if not floor.freezes(week)]
        counts, failed = count_weeks(posthog, asked, mapping=mapping)
        with warehouse.connect() as connection:
            known = stored_weeks(connection)
        hidden = _hidden_weeks(posthog, warehouse, counts, known, mapping=mapping, now=started_at)
    except LeadpipeError as error:
        with warehouse.writing("visitors") as connection:
            report = VisitorSyncReport(failed=dict.fromkeys(wanted, str(error)))
            record_sync(connection, run_id, report, started_at, clock(), error=str(error))
        raise
    note("comparing them with the stored ones")
    with warehouse.writing("visitors") as connection:
        stored = stored_weeks(connection)
        frozen = sorted({*wanted} - {*asked} | {*hidden})
        updated: list[date] = []
        unchanged: list[date] = []
        skipped = list(frozen)
        for week, found in sorted(counts.items()):
            source, before = stored.get(week, (None, None))
            is_empty = before is None and found == WeekCounts()
            if week in hidden:
                continue
            if source == "manual" or found == before or is_empty:
                skipped.append(week)
                unchanged += [week] if source == "posthog" else []
                continue
            store_week(
                connection, week, found, before, source="posthog", run_id=run_id, now=clock()
            )
            updated.append(week)
        connection.execute(
            "UPDATE visitor_metrics SET counted_at = $at WHERE list_contains($weeks::DATE[], week_start)",
            {"at": started_at, "weeks": [*unchanged, *updated]},
        )
        report = VisitorSyncReport(tuple(updated), tuple(sorted(skipped)), failed, tuple(frozen))
        problem = None
        if failed:
            oldest = min(failed)
            dates = week_dates(oldest, today=started_at.date())
            problem = f"{len(failed)} weeks failed; {dates}: {failed[oldest]}"
        record_sync(connection, run_id, report, started_at, clock(), error=problem)
    note(f"{len(updated)} weeks updated, {len(skipped)} unchanged, {len(failed)} failed")
    if frozen:
        note(
            f"{len(frozen)} of the unchanged weeks are frozen by retention, up to "
            f"{week_dates(frozen[-1], today=started_at.date())}: "
            "PostHog no longer shows them whole, and they stay as they were counted"
        )
    return report


def _hidden_weeks(
    posthog: PostHog,
    warehouse: Warehouse,
    counts: Mapping[date, WeekCounts],
    stored: Mapping[date, Stored],
    *,
    mapping: EventMapping,
    now: datetime,
) -> frozenset[date]:
    """Weeks that lost events from the beginning of what PostHog shows, unless they were surely deleted."""
    edge = _lost_at_the_edge(counts, stored)
    if not edge:
        return frozenset()
    floor: Floor = asked_floor(posthog, warehouse, now=now, since=now)
    if floor.is_told(now):
        return frozenset(week for week in counts if floor.freezes(week))
    before = [week for week in sorted(stored) if week < min(edge)][-_WEEKS_BEFORE:]
    shown, _ = count_weeks(posthog, before, mapping=mapping)
    if any(found != WeekCounts() for found in shown.values()):
        return frozenset()
    return frozenset(edge) | {week for week in counts if week < max(edge)}


def _lost_at_the_edge(
    counts: Mapping[date, WeekCounts], stored: Mapping[date, Stored]
) -> list[date]:
    lost: list[date] = []
    for week, found in sorted(counts.items()):
        source, before = stored.get(week, ("manual", WeekCounts()))
        is_fewer = (found.pageviews or 0) < (
            before.pageviews or 0
        ) or found.signups < before.signups
        if source == "posthog" and is_fewer:
            lost.append(week)
        if found != WeekCounts():
            break
    return lost


def count_weeks(
    posthog: PostHog, weeks: Sequence[date], *, mapping: EventMapping
) -> tuple[dict[date, WeekCounts], dict[date, str]]:
    """PostHog's counts of the weeks, zeros included, and the weeks it could not count with the reason.

    Raises:
        PostHogError: for another reason than that a week is too heavy.
    """
    if not weeks:
        return {}, {}
    pageview, signup = means(mapping, "pageview"), means(mapping, "signup")
    try:
        rows = posthog.query(
            read_sql("visitors", "weekly_visitors.hogql")
            .replace("{is_pageview}", pageview.text)
            .replace("{is_signup}", signup.text),
            values={
                **pageview.values,
                **signup.values,
                "names": [*mapping.names_of("pageview"), *mapping.names_of("signup")] or NO_NAMES,
                "window_start": utc_text(start_of_week(min(weeks))),
                "window_end": utc_text(start_of_week(max(weeks) + WEEK)),
            },
            name="leadpipe: weekly visitors",
        ).decoded()
    except QueryTooHeavy as error:
        if len(weeks) == 1:
            return {}, {weeks[0]: str(error)}
        middle = len(weeks) // 2
        counts, failed = count_weeks(posthog, weeks[:middle], mapping=mapping)
        more_counts, more_failed = count_weeks(posthog, weeks[middle:], mapping=mapping)
        return counts | more_counts, failed | more_failed
    try:
        found = {
            date.fromisoformat(str(week)): WeekCounts(
                int(str(visitors)), int(str(pageviews)), int(str(signups))
            )
            for week, visitors, pageviews, signups in rows
        }
    except ValueError as error:
        raise PostHogError(
            f"PostHog's answer to 'leadpipe: weekly visitors' has a row that is no week: {error}",
            request_name="leadpipe: weekly visitors",
        ) from None
    return {week: found.get(week, WeekCounts()) for week in weeks}, {}


def store_week(
    connection: duckdb.DuckDBPyConnection,
    week: date,
    counts: WeekCounts,
    before: WeekCounts | None,
    *,
    source: Source,
    run_id: str | None,
    now: datetime,
) -> None:
    """Put a week's row in place of the one before, and note the change; inside a transaction."""
    old = before or WeekCounts(0, None, 0)
    connection.execute("DELETE FROM visitor_metrics WHERE week_start = ?", [week])
    connection.execute(
        "INSERT INTO visitor_metrics VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(week_id(week), week, week + timedelta(days=6)),
            *(counts.visitors, counts.pageviews, counts.signups, counts.conversion_rate),
            *(source, now, now),
        ],
    )
    connection.execute(
        "INSERT INTO visitor_metric_changes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            week,
            *(old.visitors if before else None, counts.visitors),
            *(old.pageviews, counts.pageviews),
            *(old.signups if before else None, counts.signups),
            *(source, run_id, now),
        ],
    )


def stored_weeks(connection: duckdb.DuckDBPyConnection) -> dict[date, Stored]:
    """The stored weeks by their Mondays."""
    return {
        week: (source, WeekCounts(visitors, pageviews, signups))
        for week, source, visitors, pageviews, signups in connection.execute(
            "SELECT week_start, source, visitors, pageviews, signups FROM visitor_metrics"
        ).fetchall()
    }


def record_sync(
    connection: duckdb.DuckDBPyConnection,
    run_id: str,
    report: VisitorSyncReport,
    started_at: datetime,
    finished_at: datetime,
    *,
    error: str | None,
) -> None:
    """Enter a sync in `visitor_syncs`; a run that Dagster repeats has one row."""
    connection.execute("DELETE FROM visitor_syncs WHERE run_id = ?", [run_id])
    connection.execute(
        "INSERT INTO visitor_syncs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(run_id, "failed" if error else "succeeded"),
            *(len(report.updated), len(report.skipped), len(report.failed), report.total),
            *(error, started_at, finished_at, len(report.frozen)),
        ],
    )
