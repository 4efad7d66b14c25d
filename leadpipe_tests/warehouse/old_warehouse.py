"""The warehouse that 0.2.0 made, as a file again."""

from pathlib import Path

import duckdb

_MADE = Path(__file__).parent / "made_by_0_2_0"


def table_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Every table but the record of migrations."""
    found = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
    return [name for name in found if name != "migrations"]


def make_old_warehouse(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Write the file as 0.2.0 left it; gives every row of its tables."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute((_MADE / "schema.sql").read_text())
        for file in _MADE.glob("*.csv"):
            connection.execute(f"COPY {file.stem} FROM '{file}' (HEADER)")
        return all_rows(connection)


def all_rows(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table but the record of migrations."""
    return {
        name: connection.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall()
        for name in table_names(connection)
    }
