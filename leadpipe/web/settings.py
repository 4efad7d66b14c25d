"""Where the web application listens, and who may do what there."""

from pydantic import Field, SecretStr

from leadpipe.settings import Settings


class WebSettings(Settings):
    """Where the web application listens, and who may do what there."""

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
    webhook_max_bytes: int = Field(
        2_000_000,
        ge=1_000,
        le=20_000_000,
        alias="LEADPIPE_WEBHOOK_MAX_BYTES",
        description="Larger webhook bodies are refused, also when they are that large only unzipped.",
    )


SECTION = WebSettings
