"""Dagster's rim: the asset `published_tables`, last in every sync."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg
import duckdb

from leadpipe.automation import SYNC_TAG
from leadpipe.catalog import PUBLISHED, SYNCED, TABLE, published_key, same_columns, table_of
from leadpipe.described import published_tables as described_tables
from leadpipe.described import warehouse_tables
from leadpipe.domains import HasPublished, modules, parts
from leadpipe.published.tables import publish_and_compare, tables_that_differ
from leadpipe.resources import WarehouseResource, failing_clearly
from leadpipe.settings import Settings
from leadpipe.warehouse import CURRENT, measure_tables

_DIFFERING = "tables that differ"


@dg.asset(
    deps=[asset for _, part in parts(HasPublished) for asset in part.ASSETS],
    group_name=PUBLISHED,
    kinds={"parquet"},
    pool="warehouse",
    tags=dict([SYNC_TAG]),
    freshness_policy=SYNCED,
)
def published_tables(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[None]:
    """The marts as Parquet files for pages, the command line and BI tools, swapped in at once.

    Source: the warehouse. Each table is an asset, such as `published/leads`, with its columns and rows.
    Readers see the publication before or the one after, never a mixture.
    """
    now = datetime.now(UTC)
    with failing_clearly(), warehouse.get_connection() as connection:
        name, written, differing = publish_and_compare(connection, settings.published_dir, now=now)
        for told in _told(connection, settings):
            context.log_event(told)
    return dg.MaterializeResult(
        metadata={
            "publication": name,
            "files written": written,
            _DIFFERING: dg.MetadataValue.json(differing),
            "folder": dg.MetadataValue.path(str(settings.published_dir / "current")),
        }
    )


def _specs() -> list[dg.AssetSpec]:
    """An asset a published table; it comes from that of the warehouse's table, else those of its domain."""
    made = []
    for domain, part in parts(HasPublished):
        for table in part.TABLES:
            described = described_tables().get(table)
            sources = [_SOURCES[table]] if table in _SOURCES else [*part.ASSETS]
            made.append(
                dg.AssetSpec(
                    published_key(table),
                    deps=[published_tables, *sources],
                    description=described.meaning if described else f"Published by {domain}.",
                    group_name=PUBLISHED,
                    kinds={"parquet"},
                    metadata=table_of(table),
                    freshness_policy=SYNCED,
                )
            )
    return made


def _sources() -> dict[str, dg.AssetKey]:
    """By the name of a warehouse table the asset that makes it."""
    return {
        str(spec.metadata.get(TABLE, spec.key.path[-1])): spec.key
        for asset in dg.load_assets_from_modules(modules("assets"))
        if isinstance(asset, dg.AssetsDefinition)
        for spec in asset.specs
    }


_SOURCES = _sources()
tables = _specs()


def _told(
    connection: duckdb.DuckDBPyConnection, settings: Settings
) -> Iterator[dg.AssetMaterialization]:
    """Each table of the publication, as it is now."""
    publication = (settings.published_dir / CURRENT).resolve()
    for table, files in measure_tables(connection, publication).items():
        yield dg.AssetMaterialization(
            published_key(table),
            metadata={
                "dagster/row_count": files.rows,
                "dagster/uri": files.path.as_uri(),
                "bytes": files.bytes,
                "publication": publication.name,
                **_lineage(table),
            },
        )


def _lineage(table: str) -> dict[str, dg.TableColumnLineage]:
    """Of a table that is published as it is, the columns it has of the warehouse's."""
    of_warehouse, published = warehouse_tables().get(table), described_tables().get(table)
    if table not in _SOURCES or of_warehouse is None or published is None:
        return {}
    same = [one.name for one in published.columns if one in of_warehouse.columns]
    return {"dagster/column_lineage": same_columns(_SOURCES[table].path, same)}


@dg.asset_check(asset=published_tables, pool="warehouse")
def published_tables_equal_the_warehouse(
    context: dg.AssetCheckExecutionContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[Settings],
) -> dg.AssetCheckResult:
    """Each published table has the rows of the warehouse, by number and checksum.

    After a publication: as it was compared when it was made, of what was linked only that it is there; its
    rows are compared by night (`inspected_tables`). Run by itself: all rows, as they are now; what a run at
    work has not published yet differs.
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
