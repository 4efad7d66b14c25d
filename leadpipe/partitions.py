"""How tables are cut into partitions, in UTC; today is a partition from its first minute."""

import warnings
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from leadpipe.settings import load_settings
from leadpipe.weeks import week_of, weeks_between

# Single-run backfills are marked beta; the Dagster version is pinned, and a test runs one.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy.*")

_FIRST_DAY = load_settings().first_day(datetime.now(UTC))
DAILY = dg.DailyPartitionsDefinition(start_date=_FIRST_DAY.isoformat(), end_offset=1)
# ISO weeks, named by their Mondays; the current one is a partition from its first minute.
WEEKLY = dg.WeeklyPartitionsDefinition(
    start_date=week_of(_FIRST_DAY).isoformat(), day_offset=1, end_offset=1
)

TENANT_PROGRAMS = dg.DynamicPartitionsDefinition(name="tenant_programs")
"""`tenant/program`, as the tenants file lists them; a sensor keeps them so."""


def days_of(context: dg.AssetExecutionContext) -> tuple[date, date]:
    """The first and last day of a run over daily partitions."""
    window = context.partition_time_window
    return window.start.date(), (window.end - timedelta(days=1)).date()


def weeks_of(context: dg.AssetExecutionContext) -> list[date]:
    """The Mondays of a run over weekly partitions."""
    first, last = days_of(context)
    return weeks_between(first, last)


def contiguous(days: Iterable[date]) -> list[tuple[date, date]]:
    """Days as unbroken ranges (first, last), in order: one run can take a range."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if ranges and day - ranges[-1][1] == timedelta(days=1):
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges
