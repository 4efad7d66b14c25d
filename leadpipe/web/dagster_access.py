"""Where the Dagster UI is, for the page's own questions and for people, and the key that the page has for it.

In open mode it is a port of its own on this machine, in public mode it is below `/dagster` of the page's
name. Where the page has a login the Dagster UI has the same; the page itself asks it directly, with a key
that is in the data folder.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import httpx
from pydantic import SecretStr

from leadpipe.web.dagster_runs import DagsterRuns
from leadpipe.web.kept import kept_secret
from leadpipe.web.names import is_loopback
from leadpipe.web.settings import PREFIX, WebSettings
from leadpipe.web.state import Web


def dagster_key(data_dir: Path) -> SecretStr:
    """The key that the page shows the Dagster UI; made when it is not there.

    Raises:
        ConfigurationError: the kept key cannot be used.
    """
    return SecretStr(kept_secret(data_dir / "dagster_key"))


def connect_dagster(
    settings: WebSettings,
    *,
    is_public: bool,
    transport: httpx.AsyncBaseTransport | None,
    clock: Callable[[], datetime],
) -> DagsterRuns:
    """The runs of the configured Dagster.

    Raises:
        ConfigurationError: the kept key cannot be used.
    """
    url = settings.dagster_url
    if is_public:
        url = url.rstrip("/").removesuffix(PREFIX) + PREFIX
    elif not is_loopback(urlsplit(url).hostname):  # the key is for no other machine's Dagster
        return DagsterRuns(url, transport=transport, clock=clock)
    key = dagster_key(settings.data_dir)
    return DagsterRuns(url, transport=transport, clock=clock, key=key)


def shown_address(settings: WebSettings, *, is_public: bool) -> str:
    """The Dagster UI's address for people who look at the page."""
    return f"{PREFIX}/" if is_public else settings.dagster_url


class DagsterLinks:
    """Addresses in the Dagster UI for people, by the door they have; None while Dagster does not answer."""

    def __init__(self, web: Web) -> None:
        address = shown_address(web.settings.of(WebSettings), is_public=web.is_public)
        self.home = address if web.runs.is_answering else None

    def run(self, run_id: str) -> str | None:
        """Of a run."""
        return self._below(f"runs/{quote(run_id, safe='')}")

    def asset(self, key: str, *, partition: str | None = None) -> str | None:
        """Of an asset, or of one of its partitions."""
        view = urlencode({"view": "partitions", "partition": partition}) if partition else ""
        return self._below(f"assets/{quote(key, safe='')}{view and '?'}{view}")

    def _below(self, path: str) -> str | None:
        return self.home and f"{self.home.rstrip('/')}/{path}"
