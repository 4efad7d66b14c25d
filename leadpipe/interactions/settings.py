"""Tenants, their leads files, and where staff contacts come from."""

from pathlib import Path

from pydantic import Field

from leadpipe.events.settings import EventsSettings


class InteractionsSettings(EventsSettings):
    """Tenants, their leads files, and where staff contacts come from."""

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


SECTION = InteractionsSettings
