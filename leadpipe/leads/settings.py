"""How leads are scored."""

from pathlib import Path

from pydantic import Field

from leadpipe.settings import Settings


class LeadsSettings(Settings):
    """How leads are scored."""

    scores_file: Path | None = Field(
        None,
        alias="LEADPIPE_SCORES_FILE",
        description="Lead score rules. Default: scores.toml in the data folder, else built in.",
    )

    @property
    def scores_path(self) -> Path:
        """The file with the lead score rules, which need not exist."""
        return self.scores_file or self.data_dir / "scores.toml"

    @property
    def edits_path(self) -> Path:
        """Where what people say about leads is kept."""
        return self.data_dir / "lead_edits.sqlite"

    def kept_files(self) -> tuple[Path, ...]:
        """What a backup keeps beside the warehouse."""
        return (*super().kept_files(), self.data_dir / "scores.toml", self.edits_path)


SECTION = LeadsSettings
