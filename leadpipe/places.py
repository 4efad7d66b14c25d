"""Where a warehouse is that is no file, and where a cluster is. Opens nothing."""

from dataclasses import dataclass, field

from pydantic import SecretStr

_POSTGRES = "postgres:"


@dataclass(frozen=True)
class StoreKeys:
    """How to get at a bucket.

    Args:
        key_id: of the access key.
        secret: of the access key.
        region: as the store calls it.
        endpoint: of a store that is not Amazon's, as `host:port`.
        is_https: whether the endpoint speaks TLS.
    """

    key_id: str
    secret: SecretStr
    region: str = "us-east-1"
    endpoint: str | None = None
    is_https: bool = True


@dataclass(frozen=True)
class Lake:
    """Where a lake is.

    Args:
        catalog: `postgres:` and how libpq connects, without a password (`PGPASSFILE` has it), or a file.
        data: where the Parquet files go: `s3://bucket/prefix/` or a folder.
        keys: for a bucket.
        state: how libpq connects to the database of what people typed and what is under way; None keeps
            that in the lake, too.
    """

    catalog: str
    data: str
    keys: StoreKeys | None = field(default=None, repr=False)
    state: str | None = None

    def __str__(self) -> str:
        return self.catalog

    @property
    def postgres(self) -> str | None:
        """How libpq connects to the catalog; None where it is a file."""
        return self.catalog.removeprefix(_POSTGRES) if self.is_shared else None

    @property
    def is_shared(self) -> bool:
        """Whether several processes and machines may have it open at once."""
        return self.catalog.startswith(_POSTGRES)


@dataclass(frozen=True)
class Cluster:
    """Several workers.

    Args:
        broker: the Redis that hands out runs, with its password if it has one.
        postgres_url: of Dagster's own database, as SQLAlchemy writes it; without a password.
        workers: how many runs all workers together execute at once.
    """

    broker: SecretStr
    postgres_url: str
    workers: int

    @property
    def postgres(self) -> str:
        """How libpq connects to Dagster's database."""
        return self.postgres_url.replace("+psycopg2", "", 1)
