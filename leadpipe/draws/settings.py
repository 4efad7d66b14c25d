"""The promotion: who takes part, which prizes."""

from datetime import date
from pathlib import Path

from pydantic import Field

from leadpipe.settings import Settings
from leadpipe.zones import ZoneName


class DrawsSettings(Settings):
    """The promotion: who takes part, which prizes."""

    promotion_start: date | None = Field(
        None,
        alias="LEADPIPE_PROMOTION_START",
        description="First day (in LEADPIPE_DRAW_TIMEZONE) whose recharges count in draws. Unset: no draw "
        "runs by itself.",
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
    draw_timezone: ZoneName = Field(
        "UTC",
        alias="LEADPIPE_DRAW_TIMEZONE",
        description="The time zone (IANA name, such as Africa/Lagos) whose days draw dates are, from "
        "midnight to midnight. It is part of the evidence.",
    )
    naive_timezone: ZoneName = Field(
        "UTC",
        alias="LEADPIPE_NAIVE_TIMEZONE",
        description="The time zone (IANA name) of a recharge's `recharged_at` without an offset. It is part "
        "of the evidence.",
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


SECTION = DrawsSettings
