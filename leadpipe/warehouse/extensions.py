"""DuckDB's extensions as packages bring them: nothing is downloaded, nothing copied to the home folder."""

from functools import cache
from importlib import import_module
from pathlib import Path

import duckdb

from leadpipe.errors import ConfigurationError

LAKE = ("ducklake", "httpfs", "postgres_scanner")
"""What a lake needs: its format, its bucket, its catalog."""


def load(connection: duckdb.DuckDBPyConnection, names: tuple[str, ...]) -> None:
    """Load extensions into a DuckDB instance.

    Raises:
        ConfigurationError: a package is missing, or is for another version of DuckDB.
    """
    for name in names:
        try:
            connection.execute(f"LOAD '{_file(name)}'")
        except duckdb.Error as error:
            raise ConfigurationError(
                f"DuckDB {duckdb.__version__} cannot load its extension {name}: "
                f"{str(error).splitlines()[0]}. Install both of one version: pip install 'leadpipe[lake]'"
            ) from error


@cache
def _file(name: str) -> Path:
    try:
        package = import_module(f"duckdb_extension_{name}")
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"DuckDB's extension {name} is not installed. A lake needs it: pip install 'leadpipe[lake]'"
        ) from None
    found = next(Path(str(package.__file__)).parent.rglob("*.duckdb_extension"), None)
    if found is None:
        raise ConfigurationError(
            f"The package of DuckDB's extension {name} holds none for this machine. "
            "Install it again: pip install --force-reinstall 'leadpipe[lake]'"
        )
    return found
