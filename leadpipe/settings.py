"""What a person can configure, and the only reader of the environment.

Values come from the environment or from `.env` in the working directory. Secrets are `SecretStr`: no
repr, log line or error text shows them. Here stands what all share; a domain brings its own section in
`settings.py`, a subclass of `Settings`. What is set nowhere is not configurable.
"""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeVar, overload
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from leadpipe.domains import HasSettings, owners, parts
from leadpipe.errors import ConfigurationError
from leadpipe.notices import mistakes
from leadpipe.places import Cluster, Lake, StoreKeys
from leadpipe.zones import ZoneName

HISTORY_DAYS = 365
_DAYS_A_RUN = 30
_OWNER = re.compile(r"team:\w+|[^@\s,]+@[^@\s,]+\.[^@\s,]+")
_LAKE = "ducklake:"
SectionT = TypeVar("SectionT", bound="Settings")


def _addresses(value: SecretStr | None) -> SecretStr | None:
    if value and (found := mistakes(value)):
        raise ValueError(", ".join(found))
    return value


def _collector(value: str | None) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("it is no web address; it should begin with http:// or https://")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            "only the base address belongs here; a key goes into OTEL_EXPORTER_OTLP_HEADERS"
        )
    return value


def _without_password(value: str | None) -> str | None:
    if value is not None and (
        re.search(r"\bpassword\s*=", value) or urlsplit(value).password is not None
    ):
        raise ValueError("it has a password; put that into a file and name it in PGPASSFILE")
    return value


def _other_database(postgres: str, name: str) -> str:
    """How libpq connects to another database of the same server."""
    parts = urlsplit(postgres)
    if parts.scheme in {"postgres", "postgresql"}:
        return parts._replace(path=f"/{name}").geturl()
    return " ".join([re.sub(r"\bdbname\s*=\s*\S+", "", postgres).strip(), f"dbname={name}"])


def _endpoint(value: str | None) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError("write it as http://host:port or https://host")
    return value


def _broker(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
            raise ValueError("write it as redis://host:6379/0, or rediss://… with TLS")
    return value


def _for_dagster(value: str | None) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme in {"postgres", "postgresql"}:
        raise ValueError(
            "write postgresql+psycopg2://… instead: the bare scheme means another driver (psycopg 3), with "
            "which Dagster's storage fails at its first event"
        )
    if parts.scheme != "postgresql+psycopg2" or not parts.path.strip("/"):
        raise ValueError("write it as postgresql+psycopg2://user@host/database")
    return _without_password(value)


def _owners(value: object) -> object:
    found = (
        [one.strip() for one in value.split(",") if one.strip()]
        if isinstance(value, str)
        else value
    )
    for one in found if isinstance(found, list) else ():
        if not _OWNER.fullmatch(one):
            raise ValueError(f"{one} is neither a mail address nor a team such as team:data")
    return found


def _repository(value: str | None) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    if (
        parts.scheme != "https"
        or not re.search(r"github|gitlab", parts.netloc)
        or "@" in parts.netloc
    ):
        raise ValueError(
            "it is no repository on GitHub or GitLab; write it as https://github.com/acme/leadpipe/tree/main"
        )
    return value.rstrip("/")


class Settings(BaseSettings):
    """What all share, frozen; field descriptions give units and consequences."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    posthog_api_key: SecretStr | None = Field(
        None, description="Personal API key (phx_…) with the scope query:read; draws need more."
    )
    posthog_project_id: str | None = Field(
        None, description="The number in the project's URL, also under Settings → Project."
    )
    posthog_project_api_key: SecretStr | None = Field(
        None,
        description="Project key (phc_…) that draws send their events with; nothing else needs it.",
    )
    posthog_base_url: str = Field(
        "https://us.posthog.com",
        description="https://us.posthog.com, https://eu.posthog.com or your own PostHog.",
    )
    posthog_queries_per_hour: int = Field(
        2_400,
        ge=1,
        le=2_400,
        description="PostHog's limit for the key's organisation; some plans have 120.",
    )
    data_dir: Path = Field(
        Path("data"),
        alias="LEADPIPE_DATA_DIR",
        description="Folder for the warehouse, the published tables and Dagster's own storage.",
    )
    warehouse: str | None = Field(
        None,
        alias="LEADPIPE_WAREHOUSE",
        description="The DuckDB file. Default: leadpipe.duckdb in the data folder. `ducklake:postgres` is a "
        "lake that several machines share, `ducklake:/folder/catalog.ducklake` one on this machine.",
    )
    lake_postgres: Annotated[str | None, AfterValidator(_without_password)] = Field(
        None,
        alias="LEADPIPE_LAKE_POSTGRES",
        description="How libpq connects to the database of a lake's catalog, such as host=db.internal "
        "dbname=lake user=leadpipe. The password belongs into the file that PGPASSFILE names.",
    )
    lake_state: Annotated[str | None, AfterValidator(_without_password)] = Field(
        None,
        alias="LEADPIPE_LAKE_STATE",
        description="The same for the database of what people typed and what is under way. Default: the "
        "catalog's server, database state.",
    )
    lake_data: str | None = Field(
        None,
        alias="LEADPIPE_LAKE_DATA",
        description="Where a lake's Parquet files go: s3://bucket/prefix/, or a folder that all machines "
        "see.",
    )
    lake_key_id: str | None = Field(
        None, alias="LEADPIPE_LAKE_KEY_ID", description="Access key of the lake's bucket."
    )
    lake_secret: SecretStr | None = Field(
        None, alias="LEADPIPE_LAKE_SECRET", description="Secret of that access key."
    )
    lake_region: str = Field(
        "us-east-1", alias="LEADPIPE_LAKE_REGION", description="Region of the lake's bucket."
    )
    lake_endpoint: Annotated[str | None, AfterValidator(_endpoint)] = Field(
        None,
        alias="LEADPIPE_LAKE_ENDPOINT",
        description="Address of a store that is not Amazon's, such as http://objects.internal:8333.",
    )
    lake_keep_days: int = Field(
        7,
        ge=1,
        le=3_650,
        alias="LEADPIPE_LAKE_KEEP_DAYS",
        description="How many days of a lake's past can be looked at; nightly maintenance lets older states "
        "expire. What was deleted is in the bucket as long, unless it was erased.",
    )
    broker: Annotated[SecretStr | None, AfterValidator(_broker)] = Field(
        None,
        alias="LEADPIPE_BROKER",
        description="The Redis that hands runs to the workers of a cluster, such as "
        "redis://:password@redis.internal:6379/0. Default: runs are executed where Dagster's daemon is.",
    )
    dagster_postgres: Annotated[str | None, AfterValidator(_for_dagster)] = Field(
        None,
        alias="DAGSTER_PG_URL",
        description="Where a cluster's Dagster keeps its runs: postgresql+psycopg2://user@host/database. The "
        "password belongs into the file that PGPASSFILE names.",
    )
    workers: int = Field(
        4,
        ge=1,
        le=100,
        alias="LEADPIPE_WORKERS",
        description="How many runs all workers of a cluster together execute at once, those of the queue "
        "edge apart.",
    )
    schedules_file: Path | None = Field(
        None,
        alias="LEADPIPE_SCHEDULES_FILE",
        description="How often schedules run, where it is not as built in. Default: schedules.toml in the "
        "data folder.",
    )
    asset_owners: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_owners)] = Field(
        (),
        alias="LEADPIPE_ASSET_OWNERS",
        description="Who owns the assets in the Dagster UI: mail addresses, or teams such as team:data, "
        "separated by commas.",
    )
    code_url: Annotated[str | None, AfterValidator(_repository)] = Field(
        None,
        alias="LEADPIPE_CODE_URL",
        description="The repository on GitHub or GitLab that the Dagster UI links assets' code to, such as "
        "https://github.com/acme/leadpipe/tree/main. Default: the files on this machine.",
    )
    dagster_home: Path | None = Field(
        None,
        alias="DAGSTER_HOME",
        description="Folder with dagster.yaml. Default: the working directory.",
    )
    start_date: date | None = Field(
        None,
        alias="LEADPIPE_START_DATE",
        description="First day to load (UTC). Default: 365 days before the first run, then kept.",
    )
    page_rows: int = Field(
        10_000,
        ge=1,
        le=50_000,
        alias="LEADPIPE_PAGE_ROWS",
        description="Rows a request, 50,000 at most. More rows save requests and take memory.",
    )
    fetch_workers: int = Field(
        3,
        ge=1,
        le=3,
        alias="LEADPIPE_FETCH_WORKERS",
        description="Queries in flight; PostHog allows three.",
    )
    lock_timeout_seconds: float = Field(
        60.0,
        ge=0,
        le=3_600,
        alias="LEADPIPE_LOCK_TIMEOUT_SECONDS",
        description="How long to wait for another process to let go of the warehouse.",
    )
    memory_limit: str = Field(
        "2GB",
        pattern=r"^\d+(\.\d+)?\s*(MB|GB|MiB|GiB)$",
        alias="LEADPIPE_MEMORY_LIMIT",
        description="Memory DuckDB may use before it spills to disk.",
    )
    inspect_minutes: float = Field(
        10.0,
        ge=0,
        le=360,
        alias="LEADPIPE_INSPECT_MINUTES",
        description="How long the nightly audit looks at parts of all history; what it does not reach comes "
        "first the next night. Other runs wait for it.",
    )
    posthog_webhook_secret: SecretStr | None = Field(
        None,
        description="What PostHog's webhook signs with, or sends as `Authorization: Bearer …`; "
        "`leadpipe webhook secret` makes one. Without it only this machine may send events, and nobody where "
        "the page has a login.",
    )
    alert_to: Annotated[SecretStr | None, AfterValidator(_addresses)] = Field(
        None,
        alias="LEADPIPE_ALERT_TO",
        description="Who is told of alerts, the morning, failed runs and red checks: apprise's addresses "
        "of chats, mail, SMS and more, separated by spaces or commas.",
    )
    alert_timezone: ZoneName = Field(
        "UTC",
        alias="LEADPIPE_ALERT_TIMEZONE",
        description="The team's time zone (IANA name): its days are those of Today and of leads, "
        "and the morning message comes at 8 there.",
    )
    alert_webhook_url: SecretStr | None = Field(
        None,
        alias="LEADPIPE_ALERT_WEBHOOK_URL",
        description="A chat webhook that only alerts and morning messages are posted to, as JSON "
        "({text: …}).",
    )
    alert_smtp_url: SecretStr | None = Field(
        None,
        alias="LEADPIPE_ALERT_SMTP_URL",
        description="A server that only alerts and morning messages are mailed through: "
        "smtp://user:password@host:25, or smtps://.",
    )
    alert_mail_from: str = Field(
        "leadpipe@localhost",
        alias="LEADPIPE_ALERT_MAIL_FROM",
        description="Sender of mailed alerts.",
    )
    alert_mail_to: str | None = Field(
        None,
        alias="LEADPIPE_ALERT_MAIL_TO",
        description="Who gets mailed alerts; several separated by commas.",
    )
    failure_webhook_url: SecretStr | None = Field(
        None,
        alias="LEADPIPE_FAILURE_WEBHOOK_URL",
        description="A chat webhook that only failed runs and red checks are posted to, as JSON ({text: …}).",
    )

    log_level: Literal["INFO", "WARNING", "ERROR"] = Field(
        "WARNING",
        alias="LEADPIPE_LOG_LEVEL",
        description="What runs print where Dagster was started, from this level on; the UI shows all.",
    )
    otlp_endpoint: Annotated[str | None, AfterValidator(_collector)] = Field(
        None,
        alias="LEADPIPE_OTLP_ENDPOINT",
        description="Where OpenTelemetry traces go, by OTLP over HTTP: a collector's base address such as "
        "http://127.0.0.1:4318. Wants `leadpipe[tracing]`. Default: no traces.",
    )

    @cached_property
    def warehouse_path(self) -> Path:
        """The DuckDB file; of a lake, a name in the folder of what this machine keeps to itself."""
        if self.warehouse and not self.warehouse.startswith(_LAKE):
            return Path(self.warehouse)
        return self.data_dir / "leadpipe.duckdb"

    @cached_property
    def lake(self) -> Lake | None:
        """Where the warehouse is if it is a lake.

        Raises:
            ConfigurationError: a setting that it needs is missing.
        """
        if not (self.warehouse or "").startswith(_LAKE):
            return None
        catalog = str(self.warehouse).removeprefix(_LAKE)
        if catalog != "postgres":
            if not catalog or catalog.startswith("postgres:"):
                raise ConfigurationError(
                    "LEADPIPE_WAREHOUSE: write ducklake:postgres (LEADPIPE_LAKE_POSTGRES says where), or "
                    "ducklake:/folder/catalog.ducklake"
                )
            return Lake(catalog, self.lake_data or f"{catalog}.data/", self._lake_keys())
        needed = {
            "LEADPIPE_LAKE_POSTGRES": self.lake_postgres,
            "LEADPIPE_LAKE_DATA": self.lake_data,
        }
        if missing := [name for name, value in needed.items() if value is None]:
            raise ConfigurationError(
                f"LEADPIPE_WAREHOUSE=ducklake:postgres needs {' and '.join(missing)}. "
                "docs/lake.md lists what a lake needs."
            )
        return Lake(
            f"postgres:{self.lake_postgres}",
            str(self.lake_data),
            self._lake_keys(),
            state=self.lake_state or _other_database(str(self.lake_postgres), "state"),
        )

    def _lake_keys(self) -> StoreKeys | None:
        if self.lake_key_id is None or self.lake_secret is None:
            return None
        endpoint = urlsplit(self.lake_endpoint) if self.lake_endpoint else None
        return StoreKeys(
            self.lake_key_id,
            self.lake_secret,
            region=self.lake_region,
            endpoint=endpoint.netloc if endpoint else None,
            is_https=endpoint is None or endpoint.scheme == "https",
        )

    @cached_property
    def cluster(self) -> Cluster | None:
        """Who executes runs, if several workers do.

        Raises:
            ConfigurationError: a setting that it needs is missing.
        """
        if self.broker is None and self.dagster_postgres is None:
            return None
        if self.broker is None or self.dagster_postgres is None:
            missing = "LEADPIPE_BROKER" if self.broker is None else "DAGSTER_PG_URL"
            raise ConfigurationError(
                f"A cluster needs LEADPIPE_BROKER and DAGSTER_PG_URL; {missing} is not set. docs/lake.md "
                "lists what it needs."
            )
        return Cluster(self.broker, self.dagster_postgres, self.workers)

    def needed_cluster(self) -> Cluster:
        """The cluster, for what there is only in one.

        Raises:
            ConfigurationError: none is configured.
        """
        if self.cluster is None:
            raise ConfigurationError(
                "This is a cluster's: set LEADPIPE_BROKER and DAGSTER_PG_URL (docs/lake.md), or use the "
                "dagster.yaml of one machine."
            )
        return self.cluster

    @property
    def days_a_run(self) -> int | None:
        """How many days a run takes at most of many: in a cluster a month, so that each worker gets some."""
        return _DAYS_A_RUN if self.broker is not None else None

    @property
    def published_dir(self) -> Path:
        """Where the published marts lie as Parquet."""
        return self.data_dir / "published"

    @property
    def schedules_path(self) -> Path:
        """The file of schedules, which need not exist."""
        return self.schedules_file or self.data_dir / "schedules.toml"

    @property
    def mornings_path(self) -> Path:
        """Where it is kept who was told the morning message."""
        return self.data_dir / "mornings.sqlite"

    @property
    def landing_dir(self) -> Path:
        """Where pages wait between PostHog and the warehouse."""
        return self.data_dir / "landing"

    def kept_files(self) -> tuple[Path, ...]:
        """What a backup keeps beside the warehouse."""
        return (self.data_dir / "first_day", self.schedules_path)

    def of(self, section: type[SectionT]) -> SectionT:
        """These settings as a section sees them; they must have been loaded with it."""
        if not isinstance(self, section):
            raise TypeError(f"{type(self).__name__} was loaded without {section.__name__}")
        return self

    def first_day(self, now: datetime) -> date:
        """The first day leadpipe loads: configured, else fixed once and kept in the data folder.

        It must not move with the calendar: the days before it would leave the Dagster UI. The machines that
        share a lake agree on one, which is kept beside its catalog.

        Raises:
            WarehouseUnreachable: the lake's PostgreSQL does not answer.
        """
        if self.start_date is not None:
            return self.start_date
        kept = self.data_dir / "first_day"
        postgres = self.lake.postgres if self.lake is not None else None
        first = now.date() - timedelta(days=HISTORY_DAYS)
        try:
            if postgres is not None:
                from leadpipe.warehouse import agreed  # noqa: PLC0415 - only a shared lake needs it

                known = kept.read_text() if kept.exists() else first.isoformat()
                return date.fromisoformat(agreed(postgres, "first_day", known.strip()))
            return date.fromisoformat(kept.read_text().strip())
        except FileNotFoundError:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            kept.write_text(f"{first.isoformat()}\n")
            return first
        except ValueError as error:
            raise ConfigurationError(
                f"{kept} should hold one date such as 2026-01-31; correct or remove it"
            ) from error


def sections() -> Iterator[tuple[str, type[Settings]]]:
    """The sections of the web application and of the domains, each with its owner's name."""
    from leadpipe.web.settings import WebSettings  # noqa: PLC0415 - a section builds on this module

    yield "web", WebSettings
    for domain, part in parts(HasSettings):
        yield domain, part.SECTION


@cache
def whole_settings() -> type[Settings]:
    """All sections as one class: every setting, and every domain's view of them.

    Raises:
        DomainMisfit: two sections have a setting of one name.
    """
    found: list[tuple[str, type[Settings]]] = [("leadpipe", Settings), *sections()]
    owners(
        (
            (owner, field.alias or name.upper())
            for owner, section in found
            for name, field in section.model_fields.items()
            if name in vars(section).get("__annotations__", {})
        ),
        "setting",
    )
    # The last first: a section may build on those before it.
    bases = tuple(section for _, section in reversed(found))
    return type("AllSettings", bases, {"__doc__": "Every setting."})


@overload
def load_settings(**overrides: object) -> Settings: ...


@overload
def load_settings(section: type[SectionT], /, **overrides: object) -> SectionT: ...


def load_settings(section: type[Settings] | None = None, /, **overrides: object) -> Settings:
    """Read the environment and `.env`: one section with what all share, or everything.

    Raises:
        ConfigurationError: something there cannot be used; a line a problem, without its value.
    """
    try:
        return (section or whole_settings())(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in problem['loc']).upper()}: "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise ConfigurationError("; ".join(lines)) from None


def prepare_dagster(home: Path | None = None) -> None:
    """Let a run over a range of days plan one event an asset, not one a day; and say where Dagster's home is.

    A year costs Dagster 12–15 s so instead of 33–43 s. The days of a failed run show as missing then,
    not as failed.
    """
    if home is not None:
        os.environ["DAGSTER_HOME"] = str(home)
    os.environ.setdefault("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "true")


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with additions, for a program we start."""
    return {**os.environ, **extra}
