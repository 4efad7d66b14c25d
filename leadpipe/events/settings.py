"""Which events are read, and how far back a read begins."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import NoDecode

from leadpipe.events.lanes import Lane
from leadpipe.posthog import checked_name
from leadpipe.settings import Settings


def _event_name(value: str) -> str:
    return checked_name(value, kind="event name")


def _event_names(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(_event_name(name.strip()) for name in value.split(",") if name.strip())


def _bucket(value: str | None) -> str | None:
    """An address with exported files; keys in it would be shown, so they are refused."""
    if value is None:
        return None
    parts = urlsplit(value)
    if "@" in parts.netloc or parts.query:
        raise ValueError(
            "leave the key out of the address, and set LEADPIPE_BUCKET_KEY_ID and LEADPIPE_BUCKET_SECRET"
        )
    is_store = parts.scheme in {"s3", "gs"} and bool(parts.netloc)
    is_folder = not parts.netloc and parts.path.startswith("/") and parts.scheme in {"", "file"}
    if not (is_store or is_folder):
        raise ValueError(
            "write s3://bucket/prefix, gs://bucket/prefix or a folder from the root on"
        )
    return value.rstrip("/") or "/"


def _endpoint(value: str | None) -> str | None:
    if value is not None and urlsplit(value).scheme not in {"http", "https"}:
        raise ValueError("write the store's address with https://")
    return value.rstrip("/") if value else None


class EventsSettings(Settings):
    """Which events are read, and how far back a read begins."""

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
    events_file: Path | None = Field(
        None,
        alias="LEADPIPE_EVENTS_FILE",
        description="What your own events mean. Default: events.toml in the data folder, else built in.",
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
    most_gone_percent: int = Field(
        50,
        ge=0,
        le=100,
        alias="LEADPIPE_MOST_GONE_PERCENT",
        description="What was deleted in PostHog is deleted here, unless a larger share of a day's events "
        "would go at once; then `leadpipe days accept` decides.",
    )
    confirm_hours: int = Field(
        24,
        ge=1,
        le=720,
        alias="LEADPIPE_CONFIRM_HOURS",
        description="How long PostHog's queries may take to show an event that its webhook brought. One that "
        "they do not show by then is set aside: it counts nowhere, and is told.",
    )

    bucket: Annotated[str | None, AfterValidator(_bucket)] = Field(
        None,
        alias="LEADPIPE_BUCKET",
        description="Where PostHog's batch export writes to: s3://bucket/prefix, gs://bucket/prefix or a "
        "folder. New files there are taken within a minute.",
    )
    bucket_key_id: str | None = Field(
        None,
        alias="LEADPIPE_BUCKET_KEY_ID",
        description="Id of an access key that may list the bucket and read its objects. Default: the "
        "machine's own role.",
    )
    bucket_secret: SecretStr | None = Field(
        None,
        alias="LEADPIPE_BUCKET_SECRET",
        description="The access key's secret; for gs:// the service account's key as JSON.",
    )
    bucket_region: str | None = Field(
        None,
        alias="LEADPIPE_BUCKET_REGION",
        description="The bucket's region, such as eu-central-1.",
    )
    bucket_endpoint: Annotated[str | None, AfterValidator(_endpoint)] = Field(
        None,
        alias="LEADPIPE_BUCKET_ENDPOINT",
        description="The address of a store that is not Amazon's or Google's own: R2, MinIO and others that "
        "speak S3, or for gs:// what speaks as Google's.",
    )
    lane: Lane = Field(
        "auto",
        alias="LEADPIPE_LANE",
        description="How events come: query, download (files exported by PostHog), bucket (batch exports in "
        "LEADPIPE_BUCKET), or auto for what fits.",
    )

    @field_validator("lane")
    @classmethod
    def _has_a_bucket(cls, lane: str, info: ValidationInfo) -> str:
        if lane == "bucket" and not info.data.get("bucket"):
            raise ValueError("the lane bucket needs LEADPIPE_BUCKET")
        return lane

    @property
    def events_path(self) -> Path:
        """The file with the mapping of events, which need not exist in the data folder."""
        return self.events_file or self.data_dir / "events.toml"

    def kept_files(self) -> tuple[Path, ...]:
        """What a backup keeps beside the warehouse."""
        return (*super().kept_files(), self.data_dir / "events.toml")


SECTION = EventsSettings
