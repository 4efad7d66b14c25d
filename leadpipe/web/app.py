"""The ASGI application: every route on one page."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from leadpipe.connections import open_inbox, webhook_reader
from leadpipe.inbox.writer import InboxWriter
from leadpipe.settings import Settings
from leadpipe.web import cron, delivery, page, status, webhook
from leadpipe.web.access import WrongSecrets, admin_token, kept_secret
from leadpipe.web.answers import Refusal, http_error_answer, refusal_answer
from leadpipe.web.dagster_runs import DagsterRuns
from leadpipe.web.feed import LiveFeed
from leadpipe.web.headers import SecureHeaders
from leadpipe.web.probe import PostHogProbe
from leadpipe.web.sessions import login, logout, only_logged_in
from leadpipe.web.state import Web

_SESSION_SECONDS = 12 * 3_600
_LOCAL_NAMES = ["localhost", "127.0.0.1", "[::1]", "testserver"]


def create_app(
    settings: Settings,
    *,
    is_public: bool = False,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    dagster_transport: httpx.AsyncBaseTransport | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> Starlette:
    """The application over a data folder.

    Args:
        settings: where everything is, and the secrets.
        is_public: it listens beyond loopback, so the page wants a login. Else it answers local names
            only, so that no other site's page can reach it through a name that points here.
        clock: the time (UTC).
        dagster_transport: replaces the network to Dagster, for tests.
        on_ready: called when everything is loaded, before the first request.

    Raises:
        ConfigurationError: a setting cannot be used.
    """
    inbox = open_inbox(settings)
    reader = webhook_reader(settings, now=clock())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        feed = LiveFeed(settings.published_dir, inbox, clock=clock)
        await feed.start()
        writer = InboxWriter(inbox, clock=clock, on_commit=feed.wake)
        app.state.web = Web(
            settings=settings,
            inbox=inbox,
            writer=writer,
            reader=reader,
            feed=feed,
            runs=DagsterRuns(settings.dagster_url, transport=dagster_transport, clock=clock),
            probe=PostHogProbe(settings),
            wrong_secrets=WrongSecrets(),
            admin_token=admin_token(settings, is_public=is_public),
            clock=clock,
        )
        on_ready()
        try:
            yield
        finally:
            writer.close()
            feed.close()

    middleware = [
        Middleware(SecureHeaders),
        Middleware(
            SessionMiddleware,
            secret_key=kept_secret(settings.data_dir / "session_key"),
            session_cookie="leadpipe",
            max_age=_SESSION_SECONDS,
            same_site="strict",
            https_only=False,
        ),
    ]
    if not is_public:
        middleware.insert(0, Middleware(TrustedHostMiddleware, allowed_hosts=_LOCAL_NAMES))
    return Starlette(
        routes=[
            Route("/healthz", status.show_health),
            Route("/api/sync", status.show_sync_status),
            Route("/api/webhooks/posthog", webhook.webhook, methods=["GET", "POST"]),
            Route("/api/cron/sync-visitors", cron.sync_visitors, methods=["GET", "POST"]),
            Route("/api/cron/analytics", cron.sync_events, methods=["POST"]),
            Route("/api/visitors/live", only_logged_in(status.show_live)),
            Route("/api/visitors/stream", only_logged_in(status.stream_live)),
            Route("/login", login, methods=["GET", "POST"]),
            Route("/logout", logout, methods=["POST"]),
            *page.routes(),
            *delivery.routes(),
            Mount("/static", StaticFiles(directory=Path(str(files("leadpipe.web") / "static")))),
        ],
        middleware=middleware,
        exception_handlers={Refusal: refusal_answer, HTTPException: http_error_answer},
        lifespan=lifespan,
    )
