"""What `leadpipe demo` loads and shows of visitors."""

from datetime import datetime

from leadpipe.cli.output import emit
from leadpipe.published import reading
from leadpipe.settings import Settings
from leadpipe.visitors.commands import sync_weeks


def load(settings: Settings, *, now: datetime) -> list[str]:
    """Count all weeks; what went wrong, a line each."""
    del now
    return sync_weeks(settings)


def show(settings: Settings) -> None:
    """The latest weeks."""
    weeks = reading.query(
        settings.published_dir,
        "SELECT week_start, visitors, pageviews, signups, conversion_rate FROM visitor_metrics "
        "ORDER BY week_start DESC LIMIT 5",
    )
    emit(weeks, None, title="Visitors per week (conversion rate: signups per 100 visitors)")
