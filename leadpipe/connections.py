"""From settings to the plain objects that every core takes: PostHog's clients, the warehouse.

Dagster's adapters (`resources.py`) and the commands build on it. What only a domain needs is in its
`connecting.py`.
"""

from leadpipe.errors import ConfigurationError
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
        lake=settings.lake,
    )
