"""Everything a person can configure, and the only reader of the environment.

Values come from the environment or from `.env` in the working directory. Secrets are `SecretStr`: no
repr, log line or error text shows them. What is not set here is not configurable.
"""

import os
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from leadpipe.errors import ConfigurationError
from leadpipe.notices import mistakes
from leadpipe.posthog import checked_name

HISTORY_DAYS = 365


def _event_name(value: str) -> str:
    return checked_name(value, kind="event name")


def _event_names(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(_event_name(name.strip()) for name in value.split(",") if name.strip())


def _addresses(value: SecretStr | None) -> SecretStr | None:
    if value and (found := mistakes(value)):
        raise ValueError(", ".join(found))
    return value


class Settings(BaseSettings):
    """One frozen object with every setting; field descriptions give units and consequences."""

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
        description="The DuckDB file. Default: leadpipe.duckdb in the data folder.",
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
    settle_seconds: int = Field(
        120,
        ge=0,
        le=86_400,
        alias="LEADPIPE_SETTLE_SECONDS",
        description="PostHog shows rows out of order for about this long; they are read again.",
    )
    overlap_seconds: int = Field(
        3_600,
        ge=0,
        le=604_800,
        alias="LEADPIPE_OVERLAP_SECONDS",
        description="How far behind the last read an incremental read begins.",
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
    signup_event: Annotated[str, AfterValidator(_event_name)] = Field(
        "user_signed_up",
        alias="LEADPIPE_SIGNUP_EVENT",
        description="The event counted as a waitlist signup.",
    )
    extra_events: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_event_names)] = Field(
        (),
        alias="LEADPIPE_EXTRA_EVENTS",
        description="Further event names to keep in raw_events, separated by commas.",
    )
    scores_file: Path | None = Field(
        None,
        alias="LEADPIPE_SCORES_FILE",
        description="Lead score rules. Default: scores.toml in the data folder, else built in.",
    )
    posthog_webhook_secret: SecretStr | None = Field(
        None,
        description="What PostHog's webhook must send as `Authorization: Bearer …`, or what it signs with. "
        "Without it the web application listens on loopback only.",
    )
    webhook_fields: str = Field(
        "",
        alias="LEADPIPE_WEBHOOK_FIELDS",
        description="Where a webhook body of your own has its fields: `uuid=id,person_id=who.uuid`. "
        "Default: PostHog's default body.",
    )
    webhook_max_bytes: int = Field(
        2_000_000,
        ge=1_000,
        le=20_000_000,
        alias="LEADPIPE_WEBHOOK_MAX_BYTES",
        description="Larger webhook bodies are refused, also when they are that large only unzipped.",
    )
    inbox_seconds: int = Field(
        300,
        ge=30,
        le=21_600,
        alias="LEADPIPE_INBOX_SECONDS",
        description="How long page views and listing views of the webhook wait before a run stores them; "
        "other events go at once. Live counts do not wait.",
    )
    cron_secret: SecretStr | None = Field(
        None,
        description="What an external cron must send as `Authorization: Bearer …` to /api/cron/….",
    )
    admin_token: SecretStr | None = Field(
        None,
        alias="LEADPIPE_ADMIN_TOKEN",
        description="What a person types to log in to the web page. Default: none on loopback, "
        "else one that is made and kept in data/admin_token.",
    )
    web_host: str = Field(
        "127.0.0.1", alias="LEADPIPE_WEB_HOST", description="Where the web application listens."
    )
    web_port: int = Field(
        3002,
        ge=0,
        le=65_535,
        alias="LEADPIPE_WEB_PORT",
        description="Its port; 0 for any free one.",
    )
    dagster_url: str = Field(
        "http://127.0.0.1:3000",
        alias="LEADPIPE_DAGSTER_URL",
        description="The Dagster UI, through which the web application starts runs.",
    )
    leads_file: str | None = Field(
        None,
        alias="LEADPIPE_LEADS_FILE",
        description="Each tenant's leads file. Default: tenants/<tenant>/leads.json in the data folder.",
    )
    tenants_file: Path | None = Field(
        None,
        alias="LEADPIPE_TENANTS_FILE",
        description="Tenants and programs synced every day. Default: tenants.toml in the data folder.",
    )
    fresh_minutes: int = Field(
        60,
        ge=0,
        le=10_080,
        alias="LEADPIPE_FRESH_MINUTES",
        description="Staff contacts come from the warehouse if it was synced so lately, else from PostHog.",
    )
    promotion_start: date | None = Field(
        None,
        alias="LEADPIPE_PROMOTION_START",
        description="First day (UTC) whose recharges count in draws. Unset: no draw runs by itself.",
    )
    max_recharge_naira: int = Field(
        50_000,
        ge=100,
        le=1_000_000_000,
        alias="LEADPIPE_MAX_RECHARGE_NAIRA",
        description="A larger amount is taken for a mistake (kobo?): reported, and no points for it.",
    )
    phone_region: str = Field(
        "NG",
        pattern=r"^[A-Z]{2}$",
        alias="LEADPIPE_PHONE_REGION",
        description="The country of MSISDNs written without a country code.",
    )
    cohort_mode: str = Field(
        "filters",
        pattern=r"^(filters|static)$",
        alias="LEADPIPE_COHORT_MODE",
        description="Draw cohorts follow persons' properties (filters), or hold exactly our list (static).",
    )
    prizes_file: Path | None = Field(
        None,
        alias="LEADPIPE_PRIZES_FILE",
        description="The prizes of draws in Dagster. With it each day's draw runs by itself.",
    )
    failure_webhook_url: SecretStr | None = Field(
        None,
        alias="LEADPIPE_FAILURE_WEBHOOK_URL",
        description="A chat webhook that only failed runs and red checks are posted to, as JSON ({text: …}).",
    )
    npa_api_url: str | None = Field(
        None, description="Base URL of the partner's API; without it leads wait in the outbox."
    )
    npa_api_key: SecretStr | None = Field(
        None, description="The partner's key, sent as `Authorization: Bearer …`."
    )
    npa_auth_header: str = Field(
        "Authorization", description="The header for the key; in another one it is sent as it is."
    )
    npa_leads_path: str = Field("/leads", description="Takes a lead by POST.")
    npa_list_path: str = Field(
        "/leads",
        description="Lists leads by GET with phone, email, or since and until; `none` if "
        "the partner has no list.",
    )
    npa_fields: str = Field(
        "",
        description="Our fields in the partner's JSON: "
        "`full_name=contact.name,phone=contact.phone`; an empty "
        "path leaves a field out. Default: our own names, and external_id for the idempotency key.",
    )
    npa_key_header: str = Field(
        "Idempotency-Key", description="The header that carries the idempotency key."
    )
    npa_honours_key: bool = Field(
        default=False,
        description="The partner takes a lead once per key. Say so only if it promises "
        "that: without a list a "
        "lead is then sent again after a request without an answer.",
    )
    npa_deadline_seconds: float = Field(
        30.0, gt=0, le=600, description="For one request, from connecting to the last byte."
    )
    npa_settle_seconds: int = Field(
        60,
        ge=0,
        le=86_400,
        description="How long after a request without an answer the partner may still take "
        "the lead; only then "
        "is `not in its list` believed.",
    )
    npa_concurrency: int = Field(8, ge=1, le=64, description="Requests in flight at once.")
    npa_requests_per_second: float = Field(
        50.0, gt=0, le=10_000, description="At most so many requests are begun in a second."
    )
    npa_webhook_secret: SecretStr | None = Field(
        None,
        description="What the partner's webhook must send or sign with (Standard Webhooks). Without it only "
        "this machine may call /api/webhooks/partner.",
    )
    leads_secret: SecretStr | None = Field(
        None,
        alias="LEADPIPE_LEADS_SECRET",
        description="What a caller of POST /api/leads must send as `Authorization: Bearer …`. "
        "Without it only this machine may call.",
    )
    lead_phone_region: str = Field(
        "US",
        pattern=r"^[A-Z]{2}$",
        alias="LEADPIPE_LEAD_PHONE_REGION",
        description="The country of leads' phone numbers written without a country code.",
    )
    retry_seconds: int = Field(
        60,
        ge=1,
        le=86_400,
        alias="LEADPIPE_RETRY_SECONDS",
        description="Before the second attempt at a lead; doubled each time, up to 6 hours, with jitter.",
    )
    most_attempts: int = Field(
        8,
        ge=1,
        le=100,
        alias="LEADPIPE_MOST_ATTEMPTS",
        description="After so many attempts a person decides.",
    )
    keep_succeeded_days: int | None = Field(
        None,
        ge=90,
        alias="LEADPIPE_KEEP_SUCCEEDED_DAYS",
        description="Delivered leads lose their personal data after so many days, 90 at "
        "least. Default: never.",
    )
    alert_failed: int = Field(
        10,
        ge=1,
        alias="LEADPIPE_ALERT_FAILED",
        description="Unresolved failed leads from which an alert is sent.",
    )
    alert_success_rate: float = Field(
        95.0,
        ge=0,
        le=100,
        alias="LEADPIPE_ALERT_SUCCESS_RATE",
        description="Percent of the last 24 hours' leads below which an alert is sent.",
    )
    alert_oldest_hours: float = Field(
        24.0,
        gt=0,
        alias="LEADPIPE_ALERT_OLDEST_HOURS",
        description="Age of the oldest unresolved lead from which an alert is sent.",
    )
    alert_to: Annotated[SecretStr | None, AfterValidator(_addresses)] = Field(
        None,
        alias="LEADPIPE_ALERT_TO",
        description="Who is told of alerts, daily summaries, failed runs and red checks: apprise's addresses "
        "of chats, mail, SMS and more, separated by spaces or commas.",
    )
    alert_webhook_url: SecretStr | None = Field(
        None,
        alias="LEADPIPE_ALERT_WEBHOOK_URL",
        description="A chat webhook that only alerts and daily summaries are posted to, as JSON ({text: …}).",
    )
    alert_smtp_url: SecretStr | None = Field(
        None,
        alias="LEADPIPE_ALERT_SMTP_URL",
        description="A server that only alerts are mailed through: smtp://user:password@host:25, or smtps://.",
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

    @cached_property
    def warehouse_path(self) -> Path:
        """The DuckDB file."""
        return Path(self.warehouse) if self.warehouse else self.data_dir / "leadpipe.duckdb"

    @property
    def published_dir(self) -> Path:
        """Where the published marts lie as Parquet."""
        return self.data_dir / "published"

    @property
    def landing_dir(self) -> Path:
        """Where pages wait between PostHog and the warehouse."""
        return self.data_dir / "landing"

    @property
    def inbox_path(self) -> Path:
        """Where webhook events wait for the warehouse."""
        return self.data_dir / "inbox.sqlite"

    @property
    def hand_overs_path(self) -> Path:
        """Where leads and notices that came over HTTP wait for a delivery."""
        return self.data_dir / "handovers.sqlite"

    @property
    def delivery_lock(self) -> Path:
        """Held by the one process that delivers."""
        return self.data_dir / "delivery.lock"

    @property
    def scores_path(self) -> Path:
        """The file with the lead score rules, which need not exist."""
        return self.scores_file or self.data_dir / "scores.toml"

    @property
    def leads_pattern(self) -> str:
        """The path of a tenant's leads file, with <tenant> for the tenant's name."""
        return self.leads_file or str(self.data_dir / "tenants" / "<tenant>" / "leads.json")

    @property
    def tenants_path(self) -> Path:
        """The file that lists tenants and programs, which need not exist."""
        return self.tenants_file or self.data_dir / "tenants.toml"

    @property
    def sync_records_dir(self) -> Path:
        """Where records of leads syncs wait for a warehouse that is in use."""
        return self.data_dir / "interaction_syncs"

    def first_day(self, now: datetime) -> date:
        """The first day leadpipe loads: configured, else fixed once and kept in the data folder.

        It must not move with the calendar: the days before it would leave the Dagster UI.
        """
        if self.start_date is not None:
            return self.start_date
        kept = self.data_dir / "first_day"
        try:
            return date.fromisoformat(kept.read_text().strip())
        except FileNotFoundError:
            first = now.date() - timedelta(days=HISTORY_DAYS)
            self.data_dir.mkdir(parents=True, exist_ok=True)
            kept.write_text(f"{first.isoformat()}\n")
            return first
        except ValueError as error:
            raise ConfigurationError(
                f"{kept} should hold one date such as 2026-01-31; correct or remove it"
            ) from error


def load_settings(**overrides: object) -> Settings:
    """Read the environment and `.env`; one line a problem when something there cannot be used."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise ConfigurationError("; ".join(lines)) from None


def prepare_dagster() -> None:
    """Let a run over a range of days plan one event an asset, not one a day.

    A year costs Dagster 12–15 s so instead of 33–43 s. The days of a failed run show as missing then,
    not as failed.
    """
    os.environ.setdefault("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "true")


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with additions, for a program we start."""
    return {**os.environ, **extra}
