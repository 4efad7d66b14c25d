"""Publish what the domains bring for readers. Which tables that are is their business: `published.py`."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from leadpipe.domains import HasPublished, owners, parts
from leadpipe.warehouse import Published, differing, publish, transaction


def table_names() -> list[str]:
    """The tables that readers may ask for, in the domains' order.

    Raises:
        DomainMisfit: two domains publish a table of one name.
    """
    return list(
        owners(
            ((domain, table) for domain, part in parts(HasPublished) for table in part.TABLES),
            "published table",
        )
    )


def publish_tables(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    *,
    now: datetime | None = None,
    is_anew: bool = False,
) -> tuple[str, int]:
    """Publish every table; parts of large ones that did not change are linked.

    Args:
        connection: the warehouse.
        folder: of the publications.
        now: when (UTC), by default this moment; what lies in the future is not shown as the latest.
        is_anew: write all files, as after a rebuild: an upgrade may have changed what the same events become.

    Returns:
        The publication's name and how many files were written.
    """
    with transaction(connection, "publication"):
        files = list(_files(connection, now or datetime.now(UTC)))
        return publish(connection, folder, files, is_anew=is_anew)


def publish_and_compare(
    connection: duckdb.DuckDBPyConnection, folder: Path, *, now: datetime
) -> tuple[str, int, list[str]]:
    """As `publish_tables`, and which tables do not have the rows that the warehouse had at that moment."""
    with transaction(connection, "publication"):
        files = list(_files(connection, now))
        name, written = publish(connection, folder, files)
        return name, written, differing(connection, folder, files, is_whole=False)


def tables_that_differ(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    *,
    now: datetime | None = None,
    is_whole: bool,
    among: Collection[str] | None = None,
) -> list[str]:
    """Published tables, or parts of them, that do not have the rows the warehouse has for them.

    Args:
        connection: the warehouse.
        folder: of the publications.
        now: when they were published (UTC), by default this moment.
        is_whole: compare the rows of all files; else those of what the publication wrote, not what it linked.
        among: only these files, by name.
    """
    with transaction(connection, "publication"):  # days may have to be counted first
        files = list(_files(connection, now or datetime.now(UTC)))
    return differing(connection, folder, files, is_whole=is_whole, among=among)


def published_names(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> list[str]:
    """The names of the files that are to be published now."""
    with transaction(connection, "publication"):
        return [file.name for file in _files(connection, now)]


def _files(connection: duckdb.DuckDBPyConnection, now: datetime) -> Iterator[Published]:
    for _, part in parts(HasPublished):
        yield from part.published(connection, now=now)
