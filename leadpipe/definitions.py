"""Everything Dagster loads, built by one function whose every part a test or a user can replace."""

from collections.abc import Mapping

import dagster as dg

from leadpipe.automation import (
    alert_about_deliveries,
    deliver_captured_leads,
    delivery_job,
    draw_every_day,
    draws_job,
    follow_tenants_file,
    inbox_job,
    leads_job,
    reconcile_yesterday,
    reconciliation_job,
    report_failed_run,
    report_red_checks,
    retry_leads,
    store_webhook_events,
    sync_every_six_hours,
    sync_job,
    sync_leads_every_day,
    visitors_every_six_hours,
    visitors_job,
)
from leadpipe.delivery import assets as delivery_assets
from leadpipe.draws import assets as draw_assets
from leadpipe.draws import checks as draw_checks
from leadpipe.events import assets as event_assets
from leadpipe.events import checks as event_checks
from leadpipe.inbox import assets as inbox_assets
from leadpipe.interactions import assets as interaction_assets
from leadpipe.launcher import in_process_executor
from leadpipe.leads import assets as lead_assets
from leadpipe.left_behind import clear_left_behind
from leadpipe.listings import assets as listing_assets
from leadpipe.published import assets as published_assets
from leadpipe.resources import PostHogConnection, ProgressSink, WarehouseResource
from leadpipe.settings import Settings, load_settings
from leadpipe.visitors import assets as visitor_assets

_MODULES = (
    event_assets,
    inbox_assets,
    lead_assets,
    listing_assets,
    visitor_assets,
    interaction_assets,
    draw_assets,
    published_assets,
    delivery_assets,
)


def build_defs(
    *, settings: Settings | None = None, resources: Mapping[str, object] | None = None
) -> dg.Definitions:
    """Assets, checks, jobs, schedules and sensors, with resources made from the settings.

    Args:
        settings: instead of those of the environment.
        resources: replace single resources by name (`posthog`, `warehouse`, `settings`, `progress`).
    """
    settings = settings or load_settings()
    return dg.Definitions(
        assets=dg.load_assets_from_modules(_MODULES),
        asset_checks=dg.load_asset_checks_from_modules([*_MODULES, event_checks, draw_checks]),
        jobs=[
            sync_job,
            visitors_job,
            inbox_job,
            leads_job,
            draws_job,
            delivery_job,
            reconciliation_job,
        ],
        schedules=[
            sync_every_six_hours,
            visitors_every_six_hours,
            sync_leads_every_day,
            draw_every_day,
            retry_leads,
            reconcile_yesterday,
        ],
        sensors=[
            *(store_webhook_events, follow_tenants_file, report_failed_run, report_red_checks),
            *(deliver_captured_leads, alert_about_deliveries),
            clear_left_behind,
        ],
        executor=in_process_executor,
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
    )


defs = build_defs()
