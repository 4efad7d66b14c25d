"""From settings to what the core of events takes: how to read the project."""

from datetime import timedelta

from leadpipe.events.extraction import Selection
from leadpipe.events.settings import EventsSettings
from leadpipe.events.source import SyncConfig
from leadpipe.events.vocabulary import BULKY_EVENTS, BULKY_PROPERTIES, event_names


def sync_config(settings: EventsSettings) -> SyncConfig:
    """How to read events, as configured."""
    return SyncConfig(
        selection=Selection(
            events=event_names(settings),
            bulky_events=BULKY_EVENTS,
            bulky_properties=BULKY_PROPERTIES,
            page_rows=settings.page_rows,
        ),
        landing=settings.landing_dir,
        settle=timedelta(seconds=settings.settle_seconds),
        overlap=timedelta(seconds=settings.overlap_seconds),
        workers=settings.fetch_workers,
        most_gone=settings.most_gone_percent / 100,
        patience=timedelta(hours=settings.confirm_hours),
    )
