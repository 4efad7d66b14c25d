"""The web application over a data folder of its own, and a client on this machine."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from leadpipe.inbox.store import Inbox
from leadpipe.settings import Settings, whole_settings
from leadpipe.web.app import create_app
from leadpipe_tests.clocks import NOW

SECRET = "s3cret-of-the-webhook"
CRON_SECRET = "s3cret-of-the-external-cron"
TOKEN = "token-of-the-page-of-leadpipe"

Start = Callable[..., TestClient]


def web_settings(folder: Path, **fields: Any) -> Settings:
    """Settings of an application that reaches neither PostHog nor Dagster."""
    return whole_settings()(_env_file=None, data_dir=folder / "data", **fields)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start an application: `start(is_public=…, client="203.0.113.7", **settings)`."""
    with ExitStack() as stack:

        def started(
            *,
            is_public: bool = False,
            client: str = "127.0.0.1",
            dagster: httpx.AsyncBaseTransport | None = None,
            **fields: Any,
        ) -> TestClient:
            app = create_app(
                web_settings(tmp_path, **fields),
                is_public=is_public,
                clock=lambda: NOW,
                dagster_transport=dagster,
            )
            return stack.enter_context(
                TestClient(app, client=(client, 50_000), base_url="http://localhost")
            )

        yield started


@pytest.fixture
def client(start: Start) -> TestClient:
    """An application with all secrets."""
    return start(
        posthog_webhook_secret=SecretStr(SECRET),
        cron_secret=SecretStr(CRON_SECRET),
        admin_token=SecretStr(TOKEN),
    )


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    """The inbox of the application."""
    return Inbox(tmp_path / "data" / "inbox.sqlite")
