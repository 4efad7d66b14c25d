"""From settings to the plain objects the cores take: PostHog client, warehouse, inbox, how to read.

The one place that knows both sides. Dagster's adapters (`resources.py`) and the CLI build on it.
"""

from datetime import datetime, timedelta

from leadpipe.errors import ConfigurationError
from leadpipe.events.extraction import Selection
from leadpipe.events.source import SyncConfig
from leadpipe.events.vocabulary import BULKY_EVENTS, BULKY_PROPERTIES, event_names
from leadpipe.inbox.payloads import Reader, checked_fields
from leadpipe.inbox.store import Inbox
from leadpipe.notices import Receiver, mail_server, receivers, text_webhook
from leadpipe.posthog import Limits, PostHog
from leadpipe.posthog.capture import Capture
from leadpipe.settings import Settings
from leadpipe.warehouse import Warehouse


def connect_posthog(settings: Settings, *, deadline_seconds: float = 120.0) -> PostHog:
    """A client for the configured project; the deadline holds for one request with its retries.

    Raises:
        ConfigurationError: the key or the project is not set, or the host cannot be used.
    """
    key, project_id = settings.posthog_api_key, settings.posthog_project_id
    if key is None or project_id is None:
        missing = " and ".join(
            name
            for name, value in (("POSTHOG_API_KEY", key), ("POSTHOG_PROJECT_ID", project_id))
            if value is None
        )
        raise ConfigurationError(
            f"{missing} not set. Copy .env.example to .env, fill it in, then run `leadpipe check`; "
            "or try leadpipe without an account: `leadpipe demo`, then `leadpipe up`."
        )
    return PostHog(
        host=settings.posthog_base_url,
        project_id=project_id,
        api_key=key,
        deadline_seconds=deadline_seconds,
        limits=Limits(
            queries_at_once=settings.fetch_workers, per_hour=settings.posthog_queries_per_hour
        ),
    )


def connect_capture(settings: Settings) -> Capture:
    """A sender of events to the configured project; close it after use.

    Raises:
        ConfigurationError: the project key is not set, or key or host cannot be used.
    """
    if settings.posthog_project_api_key is None:
        raise ConfigurationError(
            "POSTHOG_PROJECT_API_KEY not set. It is the key that events are sent with; copy it from "
            "PostHog's Settings → Project → General → Project token (phc_…) into .env."
        )
    return Capture(host=settings.posthog_base_url, project_api_key=settings.posthog_project_api_key)


def open_warehouse(settings: Settings) -> Warehouse:
    """The configured warehouse; opens nothing yet."""
    return Warehouse(
        settings.warehouse_path,
        lock_timeout_seconds=settings.lock_timeout_seconds,
        memory_limit=settings.memory_limit,
    )


def sync_config(settings: Settings) -> SyncConfig:
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
    )


def open_inbox(settings: Settings) -> Inbox:
    """The configured webhook inbox; opens nothing yet."""
    return Inbox(settings.inbox_path)


def webhook_reader(settings: Settings, *, now: datetime) -> Reader:
    """How webhook bodies are read, as configured.

    Raises:
        ConfigurationError: the field mapping cannot be used.
    """
    return Reader(
        wanted=frozenset(event_names(settings)),
        first_day=settings.first_day(now),
        fields=checked_fields(settings.webhook_fields),
    )


def alert_receivers(settings: Settings) -> list[Receiver]:
    """Who is told of alerts about deliveries, beside the log."""
    told = receivers("LEADPIPE_ALERT_TO", settings.alert_to)
    if settings.alert_webhook_url is not None:
        told.append(text_webhook("LEADPIPE_ALERT_WEBHOOK_URL", settings.alert_webhook_url))
    if settings.alert_smtp_url is not None and settings.alert_mail_to:
        told.append(
            mail_server(
                "LEADPIPE_ALERT_SMTP_URL",
                settings.alert_smtp_url,
                sender=settings.alert_mail_from,
                to=settings.alert_mail_to,
            )
        )
    return told


def failure_receivers(settings: Settings) -> list[Receiver]:
    """Who is told of failed runs and red checks, beside the log."""
    told = receivers("LEADPIPE_ALERT_TO", settings.alert_to)
    if settings.failure_webhook_url is not None:
        told.append(text_webhook("LEADPIPE_FAILURE_WEBHOOK_URL", settings.failure_webhook_url))
    return told
