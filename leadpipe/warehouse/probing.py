"""Each part of a lake tried by itself, for `leadpipe check`: extensions, catalog, data, locks, clock.

Makes no table and keeps nothing. Errors name the part and the next step, never a key or a password.
"""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import duckdb
import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from leadpipe.errors import ConfigurationError, WarehouseError, WarehouseLocked
from leadpipe.places import Lake
from leadpipe.warehouse import locks
from leadpipe.warehouse.extensions import LAKE, load

if TYPE_CHECKING:
    import psycopg

KNOWN_FORMATS = ("1.0",)
"""Of a DuckLake catalog: those that the locked extension reads and writes."""

_PROBE = b"leadpipe check"
_PATIENCE = timedelta(seconds=15)
_CONNECT_SECONDS = 5
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(
    r"(?:status(?: code)?:?|Server returned non-2xx status code:) (\d{3})", re.IGNORECASE
)
_TOLD = {
    "NoSuchBucket": "there is no such bucket. Make it, or correct LEADPIPE_LAKE_DATA",
    "InvalidAccessKeyId": "the store does not know the key. Correct LEADPIPE_LAKE_KEY_ID",
    "SignatureDoesNotMatch": "the secret is not that key's. Correct LEADPIPE_LAKE_SECRET",
    "AccessDenied": "the key lacks a right. It needs to list, read, write and delete below the prefix",
    "PermanentRedirect": "the bucket is in another region. Correct LEADPIPE_LAKE_REGION",
    "AuthorizationHeaderMalformed": "the bucket is in another region. Correct LEADPIPE_LAKE_REGION",
}


@dataclass(frozen=True)
class Catalog:
    """What a catalog in PostgreSQL says of itself; both None before its first use."""

    format: str | None
    data: str | None


def extensions() -> str:
    """Load a lake's extensions; the version of DuckDB that took them.

    Raises:
        ConfigurationError: one is missing, or of another version.
    """
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        load(connection, LAKE)
    return duckdb.__version__


def catalog(postgres: str) -> Catalog:
    """Look into the database of a catalog.

    Raises:
        WarehouseError: it cannot be reached.
    """
    with _session(postgres) as connection:
        if connection.execute("SELECT to_regclass('ducklake_metadata')").fetchone() == (None,):
            return Catalog(None, None)
        found = dict(connection.execute("SELECT key, value FROM ducklake_metadata").fetchall())
    return Catalog(found.get("version"), found.get("data_path"))


def reach(postgres: str) -> None:
    """Ask a database whether it is there.

    Raises:
        WarehouseError: it cannot be reached.
    """
    with _session(postgres):
        pass


def clock_difference(postgres: str) -> timedelta:
    """How far the clock of PostgreSQL is before ours; the way there and back counts half.

    Raises:
        WarehouseError: it cannot be reached.
    """
    with _session(postgres) as connection:
        before = datetime.now(UTC)
        (theirs,) = connection.execute("SELECT clock_timestamp()").fetchone() or (before,)
        after = datetime.now(UTC)
    return timedelta(seconds=(theirs - (before + (after - before) / 2)).total_seconds())


def held_locks(postgres: str) -> dict[str, str]:
    """Take each lock for a moment; those that somebody holds, and what is said of that.

    Raises:
        WarehouseError: PostgreSQL cannot be reached.
    """
    reach(postgres)
    held: dict[str, str] = {}
    for lock in locks.ORDER:
        try:
            with locks.holding(postgres, (lock,), timeout_seconds=0.2):
                pass
        except WarehouseLocked as error:
            held[lock] = str(error)
    return held


def data(lake: Lake) -> None:
    """List the objects where the Parquet files go; write one, read it and delete it.

    Raises:
        WarehouseError: one of these does not work.
    """
    name = f"check-{uuid.uuid4()}"
    what = "list"  # some stores make a bucket that is not there when something is written to it
    store: S3Store | LocalStore | None = None
    try:
        store = _store(lake)
        next(iter(obstore.list(store, chunk_size=1)), None)
        what = "write"
        obstore.put(store, name, _PROBE)
        what = "read"
        if bytes(obstore.get(store, name).bytes()) != _PROBE:
            raise WarehouseError(f"{lake.data} gives back something else than was written there")
        what = "delete"
        obstore.delete(store, name)
    except (BaseError, OSError, ValueError) as error:
        if store is not None and what in {"read", "delete"}:
            with suppress(BaseError, OSError):
                obstore.delete(store, name)
        raise WarehouseError(f"cannot {what} in {lake.data}: {_reason(error, lake)}") from None


def agreed_first_day(postgres: str) -> str | None:
    """The first day on which the machines of a lake agreed; None where none has decided yet.

    Raises:
        WarehouseError: PostgreSQL cannot be reached.
    """
    with _session(postgres) as connection:
        if connection.execute("SELECT to_regclass('leadpipe_agreed')").fetchone() == (None,):
            return None
        found = connection.execute(
            "SELECT value FROM leadpipe_agreed WHERE name = 'first_day'"
        ).fetchone()
    return str(found[0]) if found else None


def _store(lake: Lake) -> S3Store | LocalStore:
    if "://" not in lake.data:
        folder = Path(lake.data)
        folder.mkdir(parents=True, exist_ok=True)
        return LocalStore(folder.resolve())
    parts, keys = urlsplit(lake.data), lake.keys
    endpoint = None
    if keys is not None and keys.endpoint is not None:
        endpoint = f"{'https' if keys.is_https else 'http'}://{keys.endpoint}"
    given = {
        "access_key_id": keys.key_id if keys else None,
        "secret_access_key": keys.secret.get_secret_value() if keys else None,
        "region": keys.region if keys else None,
        "endpoint": endpoint,
    }
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        client_options={
            "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
            "timeout": _PATIENCE,
            "allow_http": endpoint is not None and endpoint.startswith("http://"),
        },
        retry_config={"max_retries": 1, "retry_timeout": _PATIENCE},
        virtual_hosted_style_request=False,
        **{name: value for name, value in given.items() if value},  # type: ignore[arg-type]
    )


def _reason(error: Exception, lake: Lake) -> str:
    """Why a store refuses; nothing of the request that its text may hold."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}. Correct LEADPIPE_LAKE_DATA, or whose folder it is"
    text = str(error)
    code = found[1] if (found := _CODE.search(text)) else ""
    if code in _TOLD:
        return _TOLD[code]
    if found := _STATUS.search(text):
        return f"the store answers {found[1]} {code}".rstrip()
    if "metadata" in text.lower() and lake.keys is None:
        return (
            "no key is set, and this machine has no role. Set LEADPIPE_LAKE_KEY_ID and "
            "LEADPIPE_LAKE_SECRET"
        )
    endpoint = lake.keys.endpoint if lake.keys and lake.keys.endpoint else "its address"
    return f"the store cannot be reached at {endpoint}. Start it, or correct LEADPIPE_LAKE_ENDPOINT"


@contextmanager
def _session(postgres: str) -> Iterator["psycopg.Connection"]:
    driver = _psycopg()
    try:
        with driver.connect(
            postgres,
            autocommit=True,
            application_name="leadpipe check",
            connect_timeout=_CONNECT_SECONDS,
        ) as connection:
            yield connection
    except driver.Error as error:
        raise WarehouseError(f"PostgreSQL cannot be reached: {_line(error)}") from None


def _psycopg() -> ModuleType:
    try:
        return import_module("psycopg")
    except ModuleNotFoundError:
        raise ConfigurationError(
            "psycopg is not installed. A lake with its catalog in PostgreSQL needs it: "
            "pip install 'leadpipe[lake]'"
        ) from None


def _line(error: Exception) -> str:
    """What an error says, in a line."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
