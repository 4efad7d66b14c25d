"""How tables are cut into daily partitions, in UTC; today is a partition from its first minute."""

import warnings
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from leadpipe.settings import Settings, load_settings

# Single-run backfills are marked beta; the Dagster version is pinned, and a test runs one.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy.*")

_SETTINGS = load_settings(Settings)
FIRST_DAY = _SETTINGS.first_day(datetime.now(UTC))
DAILY = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat(), end_offset=1)

BY_RANGE = (
    dg.BackfillPolicy.multi_run(_SETTINGS.days_a_run)
    if _SETTINGS.days_a_run
    else dg.BackfillPolicy.single_run()
)
"""How a backfill of days is cut into runs: not at all, or in a cluster into ranges, one for each worker."""


def days_of(context: dg.AssetExecutionContext) -> tuple[date, date]:
    """The first and last day of a run over daily partitions."""
    window = context.partition_time_window
    return window.start.date(), (window.end - timedelta(days=1)).date()
