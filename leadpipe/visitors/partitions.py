"""Weekly partitions: ISO weeks, named by their Mondays; the current one is there from its first minute."""

from datetime import date

import dagster as dg

from leadpipe.partitions import FIRST_DAY, days_of
from leadpipe.visitors.weeks import week_of, weeks_between

WEEKLY = dg.WeeklyPartitionsDefinition(
    start_date=week_of(FIRST_DAY).isoformat(), day_offset=1, end_offset=1
)


def weeks_of(context: dg.AssetExecutionContext) -> list[date]:
    """The Mondays of a run over weekly partitions."""
    first, last = days_of(context)
    return weeks_between(first, last)
