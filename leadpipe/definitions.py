"""Everything Dagster loads, built by one function whose every part a test or a user can replace.

Assets, checks, jobs, schedules and sensors are the domains': whatever Dagster finds in their `assets.py`,
`checks.py` and `automation.py`.
"""

from collections.abc import Mapping

import dagster as dg

from leadpipe import reports
from leadpipe.domains import modules
from leadpipe.published import assets as published_assets
from leadpipe.resources import PostHogConnection, ProgressSink, WarehouseResource
from leadpipe.settings import Settings, load_settings


def build_defs(
    *, settings: Settings | None = None, resources: Mapping[str, object] | None = None
) -> dg.Definitions:
    """Assets, checks, jobs, schedules and sensors, with resources made from the settings.

    Args:
        settings: instead of those of the environment; all sections.
        resources: replace single resources by name (`posthog`, `warehouse`, `settings`, `progress`).

    Raises:
        DomainMisfit: a domain that is listed is not there.
    """
    settings = settings or load_settings()
    gathered = dg.load_definitions_from_modules(
        [
            *(module for name in ("assets", "checks", "automation") for module in modules(name)),
            published_assets,
            reports,
        ]
    )
    return dg.Definitions.merge(
        gathered,
        dg.Definitions(
            executor=dg.in_process_executor,
            resources={
                "settings": settings,
                "posthog": PostHogConnection(settings),
                "warehouse": WarehouseResource(
                    database=str(settings.warehouse_path),
                    lock_timeout_seconds=settings.lock_timeout_seconds,
                    memory_limit=settings.memory_limit,
                ),
                "progress": ProgressSink(),
                **(resources or {}),
            },
        ),
    )


defs = build_defs()
