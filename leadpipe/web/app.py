"""The ASGI application: the frame's routes, and those that the domains bring."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route

from leadpipe.domains import HasPages, owners, parts
from leadpipe.settings import Settings
from leadpipe.web import access_page, cron, metrics, page, questions, static_files, status, today
from leadpipe.web.access import LoginBrake, LoginTurns, NamesBrake, WrongSecrets, admin_token
from leadpipe.web.answers import Refusal
from leadpipe.web.bodies import SmallForms
from leadpipe.web.caller import Gate
from leadpipe.web.dagster_access import connect_dagster
from leadpipe.web.door import Door
from leadpipe.web.headers import SecureHeaders
from leadpipe.web.logins import Logins
from leadpipe.web.parts import Pages
from leadpipe.web.probe import PostHogProbe
from leadpipe.web.problems import broken_answer, http_error_answer, refusal_answer
from leadpipe.web.publications import PagePublication
from leadpipe.web.rendering import script
from leadpipe.web.requests import Measured, Routes
from leadpipe.web.roles import Role
from leadpipe.web.sessions import SignedSessions, login, logout, only_logged_in, signing_key
from leadpipe.web.settings import WebSettings
from leadpipe.web.signing import check_length
from leadpipe.web.state import Web

_PROGRAMS = ("/api/", "/metrics", "/readyz")  # they bring secrets of their own, see `guards.py`


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
        is_public: others than this machine's users can reach it, so the page wants a login. Else it answers
            only what comes from this machine, under a local name and through no proxy.
        clock: the time (UTC).
        dagster_transport: replaces the network to Dagster, for tests.
        on_ready: called when everything is loaded, before the first request.

    Raises:
        ConfigurationError: a setting cannot be used.
        DomainMisfit: two domains bring the same path.
    """
    own = settings.of(WebSettings)
    check_length("LEADPIPE_ADMIN_TOKEN", own.admin_token)
    check_length("CRON_SECRET", own.cron_secret)
    check_length("LEADPIPE_METRICS_SECRET", own.metrics_secret)
    check_length("LEADPIPE_SSO_SECRET", own.sso_secret)
    token = admin_token(own, is_public=is_public)
    brought = [(domain, part.PAGES) for domain, part in parts(HasPages)]
    owners(((domain, route.path) for domain, pages in brought for route in _paths(pages)), "page")
    pages = tuple(each for _, each in brought)
    believed = own.sign_on(is_public=is_public)
    logins = Logins(settings.data_dir / "logins.sqlite")
    for each in pages:
        if each.check is not None:
            each.check(settings, clock())

    registry = metrics.make_registry(settings, clock=clock)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        web = Web(
            settings=settings,
            pages=pages,
            runs=connect_dagster(
                own, is_public=is_public, transport=dagster_transport, clock=clock
            ),
            probe=PostHogProbe(settings),
            wrong_secrets=WrongSecrets(),
            brake=LoginBrake(),
            names_brake=NamesBrake(),
            turns=LoginTurns(),
            logins=logins,
            gate=Gate(logins, token, believed, clock),
            admin_token=token,
            is_public=is_public,
            registry=registry,
            clock=clock,
        )
        web.hold(questions.Answers())
        app.state.web = web
        publication = PagePublication(settings.published_dir)
        web.hold(publication)
        async with AsyncExitStack() as running:
            running.callback(publication.close)
            await running.enter_async_context(today.running(web))
            for each in pages:
                if each.running is not None:
                    await running.enter_async_context(each.running(web))
            on_ready()
            yield

    routes = [
        Route("/healthz", status.show_health),
        Route("/readyz", status.show_readiness),
        Route("/metrics", metrics.show_metrics),
        Route("/api/sync", status.show_sync_status),
        *cron.routes([sync for each in pages for sync in each.syncs]),
        Route("/login", login, methods=["GET", "POST"]),
        Route("/logout", logout, methods=["POST"]),
        *page.routes(),
        *today.routes(),
        *questions.routes(),
        *access_page.routes(),
        *(_closed(route) for each in pages for route in each.routes),
        Route("/static/{domain}/{name}.js", script),
        Mount(static_files.PATH, static_files.KeptFiles()),
    ]
    middleware = [
        Middleware(Measured, registry=registry, routes=Routes(routes)),
        Middleware(
            Door,
            is_public=is_public,
            names=own.names,
            proxies=own.proxies,
            sign_on=believed,
            sign_on_proxies=own.sign_on_proxies,
        ),
        Middleware(SecureHeaders),
        Middleware(SmallForms),
        Middleware(SignedSessions, key=signing_key(settings.data_dir, token)),
    ]
    return Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers={
            Refusal: refusal_answer,
            HTTPException: http_error_answer,
            Exception: broken_answer,
        },
        lifespan=lifespan,
    )


def _closed(route: BaseRoute) -> BaseRoute:
    """A domain's route as it is; one that says nothing of people, and is no program's, is the operators'."""
    if not isinstance(route, Route) or route.path.startswith(_PROGRAMS):
        return route
    if hasattr(route.endpoint, "for_people"):
        return route
    endpoint = only_logged_in(route.endpoint, sees=Role.OPERATOR)
    return Route(route.path, endpoint, methods=list(route.methods or ()), name=route.name)


def _paths(pages: Pages) -> list[Route]:
    return [route for route in pages.routes if isinstance(route, Route)]
