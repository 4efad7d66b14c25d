"""Dagster's rim: the asset `published_tables`, last in every sync."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from leadpipe.automation import SYNC_TAG
from leadpipe.domains import HasPublished, parts
from leadpipe.published.tables import publish_tables, tables_that_differ
from leadpipe.resources import WarehouseResource, failing_clearly
from leadpipe.settings import Settings

_DIFFERING = "tables that differ"


@dg.asset(
    deps=[asset for _, part in parts(HasPublished) for asset in part.ASSETS],
    group_name="published",
    kinds={"parquet"},
    owners=["team:data"],
    pool="warehouse",
    tags=dict([SYNC_TAG]),
)
def published_tables(
    warehouse: WarehouseResource, settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult[None]:
    """The marts as Parquet files for pages, the command line and BI tools, swapped in at once.

    Source: the warehouse. Readers see the publication before or the one after, never a mixture.
    """
    now = datetime.now(UTC)
    with failing_clearly(), warehouse.get_connection() as connection:
        name, written = publish_tables(connection, settings.published_dir, now=now)
        # Here nobody else can have written since.
        differing = tables_that_differ(connection, settings.published_dir, now=now, is_whole=False)
    return dg.MaterializeResult(
        metadata={
            "publication": name,
            "files written": written,
            _DIFFERING: dg.MetadataValue.json(differing),
            "folder": dg.MetadataValue.path(str(settings.published_dir / "current")),
        }
    )


@dg.asset_check(asset=published_tables, pool="warehouse")
def published_tables_equal_the_warehouse(
    context: dg.AssetCheckExecutionContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[Settings],
) -> dg.AssetCheckResult:
    """Each published table has the rows of the warehouse, by number and checksum.

    After a publication: as it was compared when it was made, months that were linked by the number of
    their rows. Run by itself: all rows, as they are now; what a run at work has not published yet differs.
    """
    differing = _found_when_published(context)
    is_whole = differing is None
    if differing is None:
        with warehouse.get_connection() as connection:
            differing = tables_that_differ(connection, settings.published_dir, is_whole=True)
    return dg.AssetCheckResult(
        passed=not differing,
        metadata={_DIFFERING: dg.MetadataValue.json(differing), "all rows compared": is_whole},
    )


def _found_when_published(context: dg.AssetCheckExecutionContext) -> Sequence[str] | None:
    """What the publication of this run found of itself; None if there was none."""
    latest = context.instance.get_latest_materialization_event(published_tables.key)
    if latest is None or latest.run_id != context.run.run_id or not latest.asset_materialization:
        return None
    found = latest.asset_materialization.metadata[_DIFFERING].value
    return [str(name) for name in found] if isinstance(found, list) else None
