"""The live count: visitors per week, of what was published and of what waits in the webhook inbox.

A union of the same rows counted by the same query as the warehouse's, so it can neither count someone
twice nor forget someone. Where pageviews wait is an argument; how they are stored is the inbox's business.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from leadpipe.visitors.counted import Counted, WeekVisitors, counted_weeks, weeks_of
from leadpipe.visitors.weeks import week_of
from leadpipe.warehouse import memory, read_sql, rows_of, view_table


@dataclass(frozen=True)
class WaitingPageview:
    """A pageview that a webhook brought and that the warehouse may not have yet.

    Args:
        number: grows with every one that arrives.
        day: of its timestamp (UTC).
        person_id: None if the webhook named none.
        distinct_id: PostHog's device or user id.
    """

    number: int
    day: date
    person_id: str | None
    distinct_id: str | None


class LiveVisitors:
    """Visitors per week, up to the moment; safe to share between threads.

    Args:
        published: the folder of publications.
        waiting_after: the pageviews in the inbox with a greater number, in its order.
    """

    def __init__(
        self, published: Path, waiting_after: Callable[[int], Iterable[WaitingPageview]]
    ) -> None:
        self._published = published
        self._waiting_after = waiting_after
        self._lock = threading.RLock()
        self._open = ExitStack()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._publication = Path()
        self._last_number = 0
        self._first_week = date.min  # of earlier ones only the waiting pageviews are known
        self._counts: dict[date, int] = {}
        self._counted: dict[date, Counted] = {}

    def counts(self) -> dict[date, int]:
        """Visitors by week (Mondays), of the latest weeks; those without any are not there."""
        with self._lock:
            changed = self._reload()
            self._first_week = min(changed, default=self._first_week)
            changed |= {week for week in self._take_waiting() if week >= self._first_week}
            if changed and self._connection is not None:
                found = self._connection.execute(
                    read_sql("visitors", "visitors_by_week.sql"), {"weeks": sorted(changed)}
                ).fetchall()
                self._counts |= dict(found)
            return dict(self._counts)

    def weeks(self) -> dict[date, WeekVisitors]:
        """The number of visitors of each week that has any, as every page and command says it."""
        with self._lock:
            return weeks_of(self.counts(), self._counted)

    def warm_up(self) -> None:
        """Count once, and let DuckDB load what its first bound value needs: more than a second."""
        self.counts()
        with self._lock:
            if self._connection is not None:
                self._connection.execute("SELECT $warm", {"warm": [1]}).fetchall()

    def close(self) -> None:
        """Let go of the publication; the object cannot be used afterwards."""
        self._open.close()

    def _reload(self) -> set[date]:
        """Start anew when there is a new publication; the weeks it has."""
        publication = (self._published / "current").resolve()
        if self._connection is not None and publication == self._publication:
            return set()
        self._open.close()
        self._connection = None
        connection = self._open.enter_context(memory())
        connection.execute(
            "CREATE TABLE viewers "
            "(week_start DATE, person_id VARCHAR, distinct_id VARCHAR, is_stored BOOLEAN)"
        )
        with suppress(duckdb.IOException):  # nothing published yet
            view_table(connection, publication, "week_viewers")
            connection.execute("INSERT INTO viewers SELECT *, true FROM week_viewers")
        self._counted = {}
        with suppress(duckdb.IOException):
            view_table(connection, publication, "visitor_metrics")
            self._counted = counted_weeks(
                rows_of(connection.execute("FROM visitor_metrics")).as_dicts()
            )
        self._connection, self._publication = connection, publication
        self._last_number, self._first_week, self._counts = 0, date.min, {}
        weeks = connection.execute("SELECT DISTINCT week_start FROM viewers").fetchall()
        return {week for (week,) in weeks}

    def _take_waiting(self) -> set[date]:
        waiting = list(self._waiting_after(self._last_number))
        if not waiting or self._connection is None:
            return set()
        self._connection.execute(
            "INSERT INTO viewers SELECT DISTINCT unnest($weeks::DATE[]), unnest($persons::VARCHAR[]), "
            "unnest($devices::VARCHAR[]), false",
            {
                "weeks": [week_of(pageview.day) for pageview in waiting],
                "persons": [pageview.person_id for pageview in waiting],
                "devices": [pageview.distinct_id for pageview in waiting],
            },
        )
        self._last_number = waiting[-1].number
        return {week_of(pageview.day) for pageview in waiting}
