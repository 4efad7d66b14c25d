"""What `leadpipe demo` shows of listings."""

from datetime import datetime

from leadpipe.cli.output import emit
from leadpipe.published import reading
from leadpipe.settings import Settings


def load(settings: Settings, *, now: datetime) -> list[str]:
    """Nothing of its own: the sync has built it."""
    del settings, now
    return []


def show(settings: Settings) -> None:
    """The listings with most leads."""
    top = reading.query(
        settings.published_dir,
        "SELECT listing_id, total_views, unique_views, total_leads, unique_leads, conversion_rate "
        "FROM listings ORDER BY total_leads DESC, total_views DESC, listing_id LIMIT 5",
    )
    emit(
        top,
        None,
        title="Top listings (conversion rate: leads per 100 views)",
        drop=("unique_leads", "unique_views"),
    )
