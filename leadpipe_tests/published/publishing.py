"""A machine that changes two tables at once and publishes them, again and again: a process for tests."""

import json
import sys
from pathlib import Path

from leadpipe.places import Lake
from leadpipe.warehouse import Published, Warehouse, publish, transaction

TABLES = ("of_a_version", "without_one")


def files(connection) -> list[Published]:
    """What is published: of both tables the same number, if they are of one moment."""
    (number,) = connection.execute("SELECT n FROM of_a_version").fetchone()
    return [
        Published(TABLES[0], f"SELECT n FROM {TABLES[0]}", version=number),
        Published(TABLES[1], f"SELECT n FROM {TABLES[1]}"),
    ]


def count_up(warehouse: Warehouse) -> None:
    """Change both tables in one transaction."""
    with warehouse.writing("listings") as connection:
        for table in TABLES:
            connection.execute(f"UPDATE {table} SET n = n + 1")


def main() -> None:
    """Count up and publish so many times."""
    asked = json.loads(sys.argv[1])
    warehouse = Warehouse(
        Path(asked["home"]) / "leadpipe.duckdb",
        lock_timeout_seconds=120.0,
        lake=Lake(asked["catalog"], asked["data"]),
    )
    for _ in range(asked["rounds"]):
        count_up(warehouse)
        with warehouse.connect() as connection, transaction(connection, "publication"):
            publish(connection, Path(asked["folder"]), files(connection))


if __name__ == "__main__":
    main()
