"""Where the web application listens, and who may do what there."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from leadpipe.settings import Settings
from leadpipe.web.names import is_loopback, read_header, read_names, read_proxies
from leadpipe.web.sign_on import SignOn, read_roles, sign_on

PREFIX = "/dagster"
"""Where the Dagster UI is below the page's name, in public mode."""


def _names(text: str) -> str:
    return ",".join(read_names(text))


def _proxies(text: str) -> str:
    return ",".join(read_proxies(text))


def _roles(text: str) -> str:
    read_roles(text)
    return text


class WebSettings(Settings):
    """Where the web application listens, and who may do what there."""

    cron_secret: SecretStr | None = Field(
        None,
        description="What an external cron must send as `Authorization: Bearer …` to /api/cron/…; 20 "
        "characters at least. Without it only this machine may call, and nobody where the page has a login.",
    )
    admin_token: SecretStr | None = Field(
        None,
        alias="LEADPIPE_ADMIN_TOKEN",
        description="What a person types to log in to the web page and the Dagster UI; 20 characters at "
        "least. Default: none on loopback, else one that is made and kept in data/admin_token.",
    )
    metrics_secret: SecretStr | None = Field(
        None,
        alias="LEADPIPE_METRICS_SECRET",
        description="What Prometheus must send as `Authorization: Bearer …` to /metrics; 20 characters at "
        "least. Without it only this machine may scrape, and nobody where the page has a login.",
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
    web_names: Annotated[str, AfterValidator(_names)] = Field(
        "",
        alias="LEADPIPE_WEB_NAMES",
        description="The names under which a proxy makes the page reachable, such as stats.example.org, "
        "separated by commas. With one, the page wants a login. Without one, nothing that a proxy passes on "
        "is answered.",
    )
    forwarded_allow_ips: Annotated[str, AfterValidator(_proxies)] = Field(
        "127.0.0.1,::1",
        alias="FORWARDED_ALLOW_IPS",
        description="Addresses and networks of the proxies whose X-Forwarded-For and X-Forwarded-Proto are "
        "believed, separated by commas.",
    )
    sso_user_header: Annotated[str, AfterValidator(read_header)] = Field(
        "",
        alias="LEADPIPE_SSO_USER_HEADER",
        description="The header in which a proxy with a single sign-on says who calls, such as Remote-User, "
        "X-Forwarded-User or X-Forwarded-Email. Unset: no proxy is asked who somebody is.",
    )
    sso_groups_header: Annotated[str, AfterValidator(read_header)] = Field(
        "",
        alias="LEADPIPE_SSO_GROUPS_HEADER",
        description="The header in which it says the person's groups, such as Remote-Groups or "
        "X-Forwarded-Groups; separated by commas or |.",
    )
    sso_roles: Annotated[str, AfterValidator(_roles)] = Field(
        "",
        alias="LEADPIPE_SSO_ROLES",
        description="Which group has which role, as admins=operator,sales=worker,*=viewer; * is everybody "
        "whom the sign-on lets in. An account of the person's name (`leadpipe access add`) goes before.",
    )
    sso_proxies: Annotated[str, AfterValidator(_proxies)] = Field(
        "",
        alias="LEADPIPE_SSO_PROXIES",
        description="Addresses and networks of the proxies that may say who calls, separated by commas; "
        "from anybody else these headers are refused. Needed with LEADPIPE_SSO_USER_HEADER.",
    )
    sso_secret: SecretStr | None = Field(
        None,
        alias="LEADPIPE_SSO_SECRET",
        description="What these proxies must send as X-Leadpipe-Proxy-Secret, so that no other program on "
        "their machine can say who calls; 20 characters at least.",
    )
    dagster_url: str = Field(
        "http://127.0.0.1:3000",
        alias="LEADPIPE_DAGSTER_URL",
        description="The Dagster UI, through which the web application starts runs; it answers under this "
        "name, too.",
    )
    webhook_max_bytes: int = Field(
        2_000_000,
        ge=1_000,
        le=20_000_000,
        alias="LEADPIPE_WEBHOOK_MAX_BYTES",
        description="Larger webhook bodies are refused, also when they are that large only unzipped.",
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of `LEADPIPE_WEB_NAMES`."""
        return read_names(self.web_names)

    @property
    def proxies(self) -> tuple[str, ...]:
        """The proxies that are believed."""
        return read_proxies(self.forwarded_allow_ips)

    @property
    def is_public(self) -> bool:
        """Whether others than this machine's users can reach it, so that a login is wanted."""
        return bool(self.names) or not is_loopback(self.web_host)

    def kept_files(self) -> tuple[Path, ...]:
        """With the accounts, and what people did."""
        return (*super().kept_files(), self.data_dir / "logins.sqlite")

    @property
    def sign_on_proxies(self) -> tuple[str, ...]:
        """The proxies that may say who calls."""
        return read_proxies(self.sso_proxies)

    def sign_on(self, *, is_public: bool) -> SignOn | None:
        """The single sign-on; None where none is switched on.

        Raises:
            ConfigurationError: its settings do not fit together.
        """
        return sign_on(
            user=self.sso_user_header,
            groups=self.sso_groups_header,
            roles=self.sso_roles,
            proxies=self.sign_on_proxies,
            secret=self.sso_secret,
            is_public=is_public,
        )


SECTION = WebSettings
