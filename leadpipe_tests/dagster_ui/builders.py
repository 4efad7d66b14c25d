"""Builders for tests of what Dagster runs: events by day, runs of the job, and what they left behind."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg

from leadpipe.automation import range_tags
from leadpipe.definitions import build_defs
from leadpipe.settings import Settings, whole_settings
from leadpipe.warehouse import Warehouse
from leadpipe_tests.events.builders import event, rows

HISTORY_DAYS = 14
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
ASSETS = ("raw_events", "leads", "listing_analytics", "listings", "published_tables")


def on(day: date, name: str = "property_view", **fields: Any) -> dict[str, Any]:
    """An event in the first minute of a day, so that today's is in the past, received a second later."""
    at = datetime.combine(day, time(0, 0, 0, 1), tzinfo=UTC)
    return event(name, at, **{"listing_id": "listing-1", **fields})


def a_lead(day: date, **fields: Any) -> dict[str, Any]:
    """A phone call to a lister on a day."""
    return on(day, "lead_phone", **{"seeker_id": "seeker-1", "lister_id": "lister-1", **fields})


def history(today: date) -> list[dict[str, Any]]:
    """A view and a call on every day before today."""
    days = [today - timedelta(days=n) for n in range(1, HISTORY_DAYS + 1)]
    return [make(day) for day in days for make in (on, a_lead)]


def run_job(
    settings: Settings,
    instance: dg.DagsterInstance,
    first: date,
    last: date,
    *,
    kind: str = "manual",
    resources: Mapping[str, object] | None = None,
    raw_events: Mapping[str, object] | None = None,
) -> dg.ExecuteInProcessResult:
    """Run the sync job over a range of days, as the UI's launch of a range does."""
    job = build_defs(settings=settings, resources=resources).resolve_job_def("sync")
    return job.execute_in_process(
        instance=instance,
        tags=range_tags(first.isoformat(), last.isoformat(), kind),
        run_config={**QUIET, "ops": {"raw_events": {"config": dict(raw_events or {})}}},
        raise_on_error=False,
    )


def whole_range(settings: Settings, instance: dg.DagsterInstance, today: date) -> None:
    """Sync every day there is."""
    assert settings.start_date is not None
    result = run_job(settings, instance, settings.start_date, today)
    assert result.success


def materialised(
    instance: dg.DagsterInstance, asset: str, *, run_ids: Sequence[str]
) -> list[str | None]:
    """The partitions of an asset that the runs materialised, in order."""
    records = instance.fetch_materializations(dg.AssetKey(asset), limit=1_000).records
    return sorted(
        (record.partition_key for record in records if record.run_id in run_ids),
        key=lambda key: key or "",
    )


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """The metadata values of an asset's last materialisation in a run."""
    event = result.asset_materializations_for_node(asset)[-1]
    return {name: value.value for name, value in event.metadata.items()}


def versions(warehouse: Warehouse) -> dict[date, int]:
    """Each day's version: it rises when a row of the day changes."""
    return dict(rows(warehouse, "SELECT event_date, version FROM event_days"))


def with_everything() -> dg.Definitions:
    """The definitions of an installation that leaves nothing out: with a lake, and a partner with a list."""
    return build_defs(
        settings=whole_settings()(
            _env_file=None, warehouse="ducklake:nowhere.ducklake", npa_api_url="https://npa.example"
        )
    )


def shown_of(domain: str) -> dict[str, tuple[tuple[str, ...], set[str]]]:
    """A domain's assets as the UI shows them: group, pools and kinds of each; and its checks."""
    graph = with_everything().resolve_asset_graph()
    found: dict[str, tuple[tuple[str, ...], set[str]]] = {}
    for asset in dg.load_assets_from_modules([import_module(f"leadpipe.{domain}.assets")]):
        assert isinstance(asset, dg.AssetsDefinition)
        node = graph.get(asset.key)
        found[asset.key.to_user_string()] = (
            (str(node.group_name), *sorted(node.pools or ()), *sorted(node.kinds)),
            {key.name for key in graph.asset_check_keys if key.asset_key == asset.key},
        )
    return found


def whole_of(settings: Settings) -> Path:
    """The file that puts everything back: of a lake its catalog, since files of its tables never change."""
    return settings.warehouse_path if settings.lake is None else Path(settings.lake.catalog)
