"""Everything Dagster loads, built by one function whose every part a test or a user can replace.

They are the domains': all assets and checks of their `assets.py` and `checks.py`, and what their
`automation.py` lists.
"""

from collections.abc import Collection, Mapping, Sequence
from types import ModuleType

import dagster as dg

from leadpipe.catalog import in_catalog
from leadpipe.domains import HasAutomation, HasNeeds, modules, parts
from leadpipe.inspecting import assets as inspecting_assets
from leadpipe.launcher import in_process_executor
from leadpipe.private import keep_private
from leadpipe.published import assets as published_assets
from leadpipe.published.automation import publication_job, publish_for_the_page
from leadpipe.reports import report_failed_run, report_red_checks
from leadpipe.resources import PostHogConnection, ProgressSink, WarehouseResource
from leadpipe.schedules import as_configured
from leadpipe.settings import Settings, load_settings
from leadpipe.today.automation import morning_job, morning_schedule


def build_defs(
    *, settings: Settings | None = None, resources: Mapping[str, object] | None = None
) -> dg.Definitions:
    """Assets, checks, jobs, schedules and sensors, with resources made from the settings.

    Args:
        settings: instead of those of the environment; all sections.
        resources: replace single resources by name (`posthog`, `warehouse`, `settings`, `progress`).

    Raises:
        DomainMisfit: a domain that is listed is not there.
        ConfigurationError: the file of schedules cannot be used.
    """
    settings = settings or load_settings()
    assets = [*modules("assets"), published_assets, inspecting_assets]
    automation = [part for _, part in parts(HasAutomation)]
    has_workers = settings.broker is not None
    left_out = {name for _, part in parts(HasNeeds) for name in part.left_out(settings)}
    return dg.Definitions(
        assets=in_catalog(_without(left_out, _loaded(assets)), settings),
        asset_checks=[
            check
            for check in dg.load_asset_checks_from_modules([*assets, *modules("checks")])
            if not left_out & {key.asset_key.to_user_string() for key in check.check_keys}
        ],
        jobs=[
            *(job for part in automation for job in part.JOBS if job.name not in left_out),
            morning_job,
            *[publication_job] * has_workers,
        ],
        schedules=[
            schedule
            for schedule in as_configured(
                [
                    *(schedule for part in automation for schedule in part.SCHEDULES),
                    morning_schedule(settings.alert_timezone),
                ],
                settings.schedules_path,
            )
            if schedule.name not in left_out
        ],
        sensors=[
            *(sensor for part in automation for sensor in part.SENSORS),
            report_failed_run,
            report_red_checks,
            *[publish_for_the_page] * has_workers,
        ],
        executor=in_process_executor,
        resources={
            "settings": settings,
            "posthog": PostHogConnection(settings),
            "warehouse": WarehouseResource(
                database=str(settings.warehouse_path),
                lock_timeout_seconds=settings.lock_timeout_seconds,
                memory_limit=settings.memory_limit,
                is_lake=settings.lake is not None,
            ),
            "progress": ProgressSink(),
            **(resources or {}),
        },
    )


def _loaded(modules: Sequence[ModuleType]) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    return [
        asset
        for asset in dg.load_assets_from_modules(modules, include_specs=True)
        if isinstance(asset, dg.AssetsDefinition | dg.AssetSpec)
    ]


def _without(
    left_out: Collection[str], assets: Sequence[dg.AssetsDefinition | dg.AssetSpec]
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets but those named; a published table is still there, and comes from what else it came from."""
    gone = {dg.AssetKey(name) for name in left_out}
    kept: list[dg.AssetsDefinition | dg.AssetSpec] = []
    for asset in assets:
        if isinstance(asset, dg.AssetsDefinition):
            kept += [] if asset.key in gone else [asset]
        elif asset.key not in gone:
            deps = [dep for dep in asset.deps if dep.asset_key not in gone]
            kept.append(asset.replace_attributes(deps=deps))
    return kept


keep_private()  # the files of runs, which hold personal data
defs = build_defs()
