"""The ASGI application: the frame's routes, and those that the domains bring."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
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

from leadpipe.domains import HasPages, owners, parts
from leadpipe.settings import Settings
from leadpipe.web import cron, page, status
from leadpipe.web.access import WrongSecrets, admin_token, kept_secret
from leadpipe.web.answers import Refusal, http_error_answer, refusal_answer
from leadpipe.web.dagster_runs import DagsterRuns
from leadpipe.web.headers import SecureHeaders
from leadpipe.web.parts import Pages
from leadpipe.web.probe import PostHogProbe
from leadpipe.web.rendering import script
from leadpipe.web.sessions import login, logout
from leadpipe.web.settings import WebSettings
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
        settings: where everything is, and the secrets; all sections.
        is_public: it listens beyond loopback, so the page wants a login. Else it answers local names
            only, so that no other site's page can reach it through a name that points here.
        clock: the time (UTC).
        dagster_transport: replaces the network to Dagster, for tests.
        on_ready: called when everything is loaded, before the first request.

    Raises:
        ConfigurationError: a setting cannot be used.
        DomainMisfit: two domains bring the same path.
    """
    own = settings.of(WebSettings)
    brought = [(domain, part.PAGES) for domain, part in parts(HasPages)]
    owners(((domain, route.path) for domain, pages in brought for route in _paths(pages)), "page")
    pages = tuple(each for _, each in brought)
    for each in pages:
        if each.check is not None:
            each.check(settings, clock())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        web = Web(
            settings=settings,
            pages=pages,
            runs=DagsterRuns(own.dagster_url, transport=dagster_transport, clock=clock),
            probe=PostHogProbe(settings),
            wrong_secrets=WrongSecrets(),
            admin_token=admin_token(own, is_public=is_public),
            clock=clock,
        )
        app.state.web = web
        async with AsyncExitStack() as running:
            for each in pages:
                if each.running is not None:
                    await running.enter_async_context(each.running(web))
            on_ready()
            yield

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
            *cron.routes([sync for each in pages for sync in each.syncs]),
            Route("/login", login, methods=["GET", "POST"]),
            Route("/logout", logout, methods=["POST"]),
            *page.routes(),
            *(route for each in pages for route in each.routes),
            Route("/static/{domain}/{name}.js", script),
            Mount("/static", StaticFiles(directory=Path(str(files("leadpipe.web") / "static")))),
        ],
        middleware=middleware,
        exception_handlers={Refusal: refusal_answer, HTTPException: http_error_answer},
        lifespan=lifespan,
    )


def _paths(pages: Pages) -> list[Route]:
    return [route for route in pages.routes if isinstance(route, Route)]
