"""How assets show in the Dagster UI: the groups of the lineage, columns, places, tags, owners, code.

Belongs here: what all assets are told alike, from `docs/tables.md` and the settings. What an asset is and
what it comes from is said where it is, in its domain's `assets.py`.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import dagster as dg

import leadpipe
from leadpipe.described import Table, published_tables, warehouse_tables
from leadpipe.settings import Settings

# In the order of the alphabet, in which the UI lists them, and of the flow.
ARRIVALS = "arrivals"
EVENTS = "events"
MARTS = "marts"
ON_DEMAND = "on_demand"
"""What runs for a date when a person or a setting asks for it: dates that nobody asked for are missing."""
PUBLISHED = "published"
SENT = "sent"
"""What goes out, and what came of it. Only what is published comes from it: it stands beside the marts."""

SYNCED = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=7), fail_window=timedelta(hours=13)
)
"""What every sync makes anew: one may fail without more than a warning, two may not."""

TABLE = "dagster/table_name"
_TIERS = {ARRIVALS: "raw", EVENTS: "raw", MARTS: "mart", PUBLISHED: "published"}
_SHORT = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}

_Loaded: TypeAlias = dg.AssetsDefinition | dg.AssetSpec


def table_of(name: str) -> Mapping[str, str]:
    """The metadata of an asset whose rows are in a warehouse table of another name."""
    return {TABLE: name}


def published_key(table: str) -> dg.AssetKey:
    """The asset that a published table is: `published/leads`."""
    return dg.AssetKey([PUBLISHED, table])


def schema_of(table: Table) -> dg.TableSchema:
    """The columns of a table as the page describes them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(column.name, column.type, description=column.meaning)
            for column in table.columns
        ]
    )


def same_columns(source: str | Sequence[str], columns: Iterable[str]) -> dg.TableColumnLineage:
    """The lineage of columns that are those of the same names in an asset."""
    key = dg.AssetKey(source)
    return dg.TableColumnLineage(
        {column: [dg.TableColumnDep(asset_key=key, column_name=column)] for column in columns}
    )


def meanings_of(table: str) -> Mapping[str, str]:
    """What the columns of a warehouse table mean, by name; nothing of a table that no page describes."""
    found = warehouse_tables().get(table)
    return found.meanings() if found else {}


def short_type(kind: str) -> str:
    """A type of DuckDB as the page writes it."""
    return _SHORT.get(kind, kind)


def in_catalog(assets: Sequence[_Loaded], settings: Settings) -> list[_Loaded]:
    """The assets with what the catalog shows of them."""
    shown: list[_Loaded] = []
    for asset in _linked(assets, settings.code_url):
        if isinstance(asset, dg.AssetsDefinition):
            shown.append(asset.map_asset_specs(lambda spec: _shown(spec, settings)))
        elif isinstance(asset, dg.AssetSpec):
            shown.append(_shown(asset, settings))
    return shown


def _linked(assets: Sequence[_Loaded], url: str | None) -> Sequence[object]:
    """The assets with where their code is: in files here, or in a repository on the web."""
    with warnings.catch_warnings():
        # Marked beta; the Dagster version is pinned, and a test looks at the links.
        warnings.simplefilter("ignore", dg.BetaWarning)
        linked = dg.with_source_code_references(list(assets))
        if url is None:
            return linked
        repository, _, branch = url.partition("/tree/")
        package = Path(leadpipe.__file__).parent
        return dg.link_code_references_to_git(
            linked,
            git_url=repository,
            git_branch=branch or "main",
            file_path_mapping=dg.AnchorBasedFilePathMapping(
                local_file_anchor=package, file_anchor_path_in_repository=package.name
            ),
        )


def _shown(spec: dg.AssetSpec, settings: Settings) -> dg.AssetSpec:
    """A spec with owners and tags, and of one that is a table with its name and columns."""
    is_published = len(spec.key.path) > 1
    name = str(spec.metadata.get(TABLE, spec.key.path[-1]))
    table = (published_tables() if is_published else warehouse_tables()).get(name)
    tags = {"tier": _TIERS.get(spec.group_name or "", "output")}
    metadata: dict[str, object] = {}
    if table is not None:
        tags |= {"pii": "yes"} if table.is_personal else {}
        metadata = {TABLE: name, "dagster/column_schema": schema_of(table)}
        if not is_published:
            metadata["dagster/uri"] = _uri_of_tables(settings)
    return spec.merge_attributes(tags=tags, metadata=metadata, owners=list(settings.asset_owners))


def _uri_of_tables(settings: Settings) -> str:
    """Where the warehouse's tables are: its file, or the folder or bucket of a lake's files."""
    if settings.lake is None:
        return settings.warehouse_path.resolve().as_uri()
    data = settings.lake.data
    return data if "://" in data else Path(data).resolve().as_uri()
