"""From settings to what the core of events takes: what events mean, how to read the project."""

from dataclasses import replace
from datetime import timedelta

from leadpipe.errors import ConfigurationError
from leadpipe.events.exported.bucket import Bucket
from leadpipe.events.extraction import Selection
from leadpipe.events.mapping.model import EventMapping, Rule
from leadpipe.events.mapping.reading import built_in, read_mapping
from leadpipe.events.settings import EventsSettings
from leadpipe.events.source import SyncConfig

_SIGNUP = str(EventsSettings.model_fields["signup_event"].default)


def event_mapping(settings: EventsSettings) -> EventMapping:
    """What events mean, as configured: the file, or the built-in names, and the two settings with names.

    Raises:
        ConfigurationError: the file cannot be used; see `read_mapping`.
    """
    mapping = _written(settings)
    events = dict(mapping.events)
    signup = settings.signup_event
    if signup != _SIGNUP:
        if events.get(_SIGNUP) == built_in().events[_SIGNUP]:
            del events[_SIGNUP]
        if not events.get(signup):
            events[signup] = (Rule("signup"),)
    for name in settings.extra_events:
        if not events.get(name):
            events[name] = (Rule(None),)
    named = signup != _SIGNUP and events[signup] != (Rule("signup"),)
    return replace(mapping, events=events, signup_event=signup if named else None)


def _written(settings: EventsSettings) -> EventMapping:
    try:
        return read_mapping(settings.events_path)
    except FileNotFoundError:
        if settings.events_file is not None:
            raise ConfigurationError(
                f"LEADPIPE_EVENTS_FILE names {settings.events_file}, which does not exist. Write it, or "
                "leave the setting out for the built-in names."
            ) from None
        return built_in()


def sync_config(settings: EventsSettings) -> SyncConfig:
    """How to read events, as configured."""
    mapping = event_mapping(settings)
    return SyncConfig(
        selection=Selection(
            events=mapping.names,
            bulky_events=mapping.narrow_events,
            bulky_properties=mapping.narrow_properties,
            page_rows=settings.page_rows,
        ),
        landing=settings.landing_dir,
        settle=timedelta(seconds=settings.settle_seconds),
        overlap=timedelta(seconds=settings.overlap_seconds),
        workers=settings.fetch_workers,
        most_gone=settings.most_gone_percent / 100,
        patience=timedelta(hours=settings.confirm_hours),
        mapping=mapping,
        lane=settings.lane,
        has_bucket=settings.bucket is not None,
    )


def open_bucket(settings: EventsSettings, *, patience_seconds: float = 60.0) -> Bucket | None:
    """Where batch exports lie, None if nobody says; asks nothing of it yet.

    Args:
        settings: the address and the key.
        patience_seconds: how long a listing may take.
    """
    if settings.bucket is None:
        return None
    return Bucket(
        settings.bucket,
        key_id=settings.bucket_key_id,
        secret=settings.bucket_secret,
        region=settings.bucket_region,
        endpoint=settings.bucket_endpoint,
        patience=timedelta(seconds=patience_seconds),
    )
