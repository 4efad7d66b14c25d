"""The webhook: how its bodies are read, how long its events wait."""

from pathlib import Path

from pydantic import Field

from leadpipe.events.settings import EventsSettings


class InboxSettings(EventsSettings):
    """The webhook: how its bodies are read, how long its events wait."""

    webhook_fields: str = Field(
        "",
        alias="LEADPIPE_WEBHOOK_FIELDS",
        description="Where a webhook body of your own has its fields: `uuid=id,person_id=who.uuid`. "
        "Default: PostHog's default body.",
    )
    inbox_seconds: int = Field(
        300,
        ge=30,
        le=21_600,
        alias="LEADPIPE_INBOX_SECONDS",
        description="How long page views and listing views of the webhook wait before a run stores them; "
        "other events go at once. Live counts do not wait.",
    )

    @property
    def inbox_path(self) -> Path:
        """Where webhook events wait for the warehouse."""
        return self.data_dir / "inbox.sqlite"

    def kept_files(self) -> tuple[Path, ...]:
        """What a backup keeps beside the warehouse."""
        return (*super().kept_files(), self.inbox_path)


SECTION = InboxSettings
