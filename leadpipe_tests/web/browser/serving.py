"""A web application on a port of loopback, in a thread of the test, so that a browser can open it."""

import asyncio
import socket
import threading
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn

from leadpipe.web.app import create_app
from leadpipe_tests.clocks import NOW
from leadpipe_tests.dagster_ui.processes import wait_for
from leadpipe_tests.web.fake_dagster import NoDagster
from leadpipe_tests.web.fixtures import web_settings

PAGE = "/admin/sync"


class Site:
    """An application that is served until it is stopped; it can be started again on the same port.

    Args:
        folder: its data is in `data` there.
        dagster: what it sees of Dagster; by default nothing. None: the real one at `dagster_url`.
        clock: the time it believes in.
        is_public: wants a login.
        settings: further ones.
    """

    def __init__(
        self,
        folder: Path,
        *,
        dagster: httpx.AsyncBaseTransport | None = NoDagster(),  # noqa: B008 - has no state
        clock: datetime | None = NOW,
        is_public: bool = False,
        **settings: Any,
    ) -> None:
        fixed: dict[str, Any] = {} if clock is None else {"clock": lambda: clock}
        self._make = lambda: create_app(
            web_settings(folder, **settings),
            is_public=is_public,
            dagster_transport=dagster,
            **fixed,
        )
        self._port = 0
        self.start()

    @property
    def page(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self._port}{PAGE}"

    def start(self) -> None:
        """Serve, on the port of the first start."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._make(), log_level="critical", access_log=False, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        serving = self._server.serve(sockets=[listener])
        self._thread = threading.Thread(target=asyncio.run, args=(serving,), daemon=True)
        self._thread.start()
        wait_for("the page", lambda: self._server.started or None, seconds=60)

    def stop(self) -> None:
        """Stop serving and wait for it; safe to call twice."""
        self._server.should_exit = True
        self._thread.join(60)
        assert not self._thread.is_alive()

    def post_webhook(self, body: bytes) -> None:
        """Send a body as PostHog does."""
        address = self.page.replace(PAGE, "/api/webhooks/posthog")
        headers = {"content-type": "application/json"}
        httpx.post(
            address, content=body, headers=headers, trust_env=False, timeout=120
        ).raise_for_status()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
