"""Which events are read, and how far back a read begins."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from leadpipe.posthog import checked_name
from leadpipe.settings import Settings


def _event_name(value: str) -> str:
    return checked_name(value, kind="event name")


def _event_names(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(_event_name(name.strip()) for name in value.split(",") if name.strip())


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

    @property
    def events_path(self) -> Path:
        """The file with the mapping of events, which need not exist in the data folder."""
        return self.events_file or self.data_dir / "events.toml"

    def kept_files(self) -> tuple[Path, ...]:
        """What a backup keeps beside the warehouse."""
        return (*super().kept_files(), self.data_dir / "events.toml")


SECTION = EventsSettings
