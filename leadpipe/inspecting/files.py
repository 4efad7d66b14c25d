"""The inspection of published files: each has the rows of its query.

A publication compares the files that it writes; what it links is compared here, by night.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import duckdb

from leadpipe.inspecting.parts import Inspection
from leadpipe.published.tables import published_names, tables_that_differ
from leadpipe.settings import Settings

FILES = "published_files_equal_the_warehouse"


def inspection_of_files(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Inspection:
    """The inspection of what was published at a moment, in this connection."""
    names = published_names(connection, now=now)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE files_published AS "
        "SELECT unnest($names::VARCHAR[]) AS part, NULL::VARCHAR AS version",
        {"names": names},
    )

    def differing(
        connection: duckdb.DuckDBPyConnection, settings: Settings, parts: Sequence[str]
    ) -> Mapping[str, int]:
        found = tables_that_differ(
            connection, settings.published_dir, now=now, is_whole=True, among=parts
        )
        return dict.fromkeys(found, 1)

    return Inspection(
        FILES,
        "Each published file has the rows of its query, by number and checksum.",
        "SELECT part, version FROM files_published",
        differing,
    )
