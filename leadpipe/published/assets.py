"""Dagster's rim: the asset `published_tables`, last in every sync."""

import dagster as dg

from leadpipe.automation import SYNC_TAG
from leadpipe.domains import HasPublished, parts
from leadpipe.published.tables import publish_tables
from leadpipe.resources import WarehouseResource, failing_clearly
from leadpipe.settings import Settings


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
    with failing_clearly(), warehouse.get_connection() as connection:
        name, written = publish_tables(connection, settings.published_dir)
    return dg.MaterializeResult(
        metadata={
            "publication": name,
            "files written": written,
            "folder": dg.MetadataValue.path(str(settings.published_dir / "current")),
        }
    )
