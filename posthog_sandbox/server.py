"""The server: routes, start, readiness, end.

Belongs here: putting the parts behind a port and taking them down again. Does not belong here: what
the routes answer, and the command line (`__main__.py`).
"""

import asyncio
import os
import signal
import socket
import types
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from posthog_sandbox import cohort_api, person_api, project, refusals
from posthog_sandbox.access import Access
from posthog_sandbox.batch_exports import keep_exporting
from posthog_sandbox.capture import capture_routes
from posthog_sandbox.control_api import control_routes
from posthog_sandbox.file_download_api import download_routes
from posthog_sandbox.front import Front
from posthog_sandbox.live import keep_live
from posthog_sandbox.process import PROJECT_API_KEY, READY_PREFIX
from posthog_sandbox.query_api import answer_query, query_status
from posthog_sandbox.seeding import seed_traffic
from posthog_sandbox.storage import Storage
from posthog_sandbox.webhooks import post_live
from posthog_sandbox.world import World

_PARENT_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class ServerSettings:
    """What the command line decides."""

    host: str = "127.0.0.1"
    port: int = 8010
    events: int = 20_000
    days: int = 60
    end: datetime | None = None
    seed: int = 1
    project_timezone: str = "UTC"
    api_key: str = "phx_sandbox"
    project_id: str = "1"
    scopes: tuple[str, ...] = ("*",)
    live_per_minute: float = 0.0
    webhook: str | None = None
    data_dir: Path | None = None
    exit_with_parent: bool = False


def build_app(world: World, settings: ServerSettings) -> ASGIApp:
    """The ASGI application over a world."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        tasks = [
            asyncio.create_task(world.destinations.run()),
            asyncio.create_task(
                keep_exporting(world.batch_exports, world.storage, world.clock.now)
            ),
        ]
        if settings.live_per_minute > 0:
            tasks.append(asyncio.create_task(keep_live(world, settings.live_per_minute)))
        if settings.webhook:
            tasks.append(asyncio.create_task(post_live(world, settings.webhook)))
        yield
        world.destinations.clear()
        world.downloads.close()
        for task in tasks:
            task.cancel()

    projects = [
        Route(f"/api/{kind}/{{project_id}}/{path}", endpoint, methods=[method])
        for kind in ("projects", "environments")
        for path, endpoint, method in (
            ("query/", answer_query, "POST"),
            ("query", answer_query, "POST"),
            ("query/{query_id}/", query_status, "GET"),
            ("", project.show_project, "GET"),
            ("cohorts/", cohort_api.answer_cohorts, "GET"),
            ("cohorts/", cohort_api.answer_cohorts, "POST"),
            ("cohorts/{cohort_id}/", cohort_api.answer_cohort, "GET"),
            ("cohorts/{cohort_id}/", cohort_api.answer_cohort, "PATCH"),
            ("cohorts/{cohort_id}/", cohort_api.answer_cohort, "DELETE"),
            ("cohorts/{cohort_id}/persons/", cohort_api.answer_cohort_persons, "GET"),
            ("cohorts/{cohort_id}/add_persons_to_static_cohort/", cohort_api.add_persons, "PATCH"),
            ("persons/", person_api.answer_persons, "GET"),
            ("persons/bulk_delete/", person_api.delete_persons, "POST"),
            ("persons/{person_id}/", person_api.answer_person, "GET"),
            ("persons/{person_id}/", person_api.answer_person, "DELETE"),
        )
    ]
    app = Starlette(
        routes=[
            *projects,
            *download_routes(),
            Route("/api/users/@me/", project.show_user),
            Route("/api/personal_api_keys/@current/", project.show_key),
            Route("/_health", project.health),
            Route("/_preflight", project.preflight),
            *control_routes(),
            *capture_routes(),
        ],
        exception_handlers={404: _unknown_endpoint},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.world = world
    # Outside Starlette's own layers, which hide the connection that a fault may have to break.
    return Front(app, log=world.log, faults=world.faults, now=world.clock.now)


async def _unknown_endpoint(request: Request, error: Exception) -> Response:
    del request, error
    return refusals.not_found().response()


def serve(settings: ServerSettings) -> None:
    """Serve until a signal (or the parent's end) and leave nothing behind.

    Raises:
        OSError: the port is taken; the message says which.
    """
    signal.signal(signal.SIGTERM, _end_cleanly)
    signal.signal(signal.SIGINT, _end_cleanly)
    listener = _listener(settings.host, settings.port)
    port = listener.getsockname()[1]
    storage = Storage(settings.data_dir)
    try:
        world = World(
            storage,
            Access(settings.api_key, settings.project_id, settings.scopes),
            settings.project_timezone,
        )
        if settings.events and storage.is_empty():
            world.truth = seed_traffic(
                storage,
                events=settings.events,
                days=settings.days,
                end=settings.end or world.clock.now(),
                seed=settings.seed,
            )
        config = uvicorn.Config(
            build_app(world, settings),
            log_level="critical",
            access_log=False,
            lifespan="on",
            date_header=False,
        )
        store = _listener(settings.host, 0)
        world.downloads.store.url = f"http://{settings.host}:{store.getsockname()[1]}"
        beside = uvicorn.Config(
            world.downloads.store,
            log_level="critical",
            access_log=False,
            lifespan="off",
            date_header=False,
        )
        url = f"http://{settings.host}:{port}"
        asyncio.run(_run(config, listener, url, settings, beside=(beside, store)))
    finally:
        storage.close()


def _end_cleanly(signum: int, frame: types.FrameType | None) -> NoReturn:
    """Until the server has handlers of its own; what is open is closed on the way out."""
    del signum, frame
    raise SystemExit(0)


class _Server(uvicorn.Server):
    """A server that announces itself, and ends without raising its signal once more."""

    announcement = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self.announcement, flush=True)  # noqa: T201 - what a person needs to use it

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


class _Beside(uvicorn.Server):
    """A server that ends with another one: no signal is its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _run(
    config: uvicorn.Config,
    listener: socket.socket,
    url: str,
    settings: ServerSettings,
    *,
    beside: tuple[uvicorn.Config, socket.socket],
) -> None:
    server = _Server(config)
    store = _Beside(beside[0])
    store.config.timeout_graceful_shutdown = 1
    storing = asyncio.create_task(store.serve(sockets=[beside[1]]))
    server.announcement = (
        f"{READY_PREFIX}{url}\n"
        f"  personal API key  {settings.api_key}\n"
        f"  project id        {settings.project_id}\n"
        f"  project API key   {PROJECT_API_KEY} (any other is taken too)"
    )
    config.timeout_graceful_shutdown = 1
    watch = asyncio.create_task(_end_with_parent(server)) if settings.exit_with_parent else None
    try:
        await server.serve(sockets=[listener])
    finally:
        store.should_exit = True
        await storing
        if watch is not None:
            watch.cancel()


async def _end_with_parent(server: uvicorn.Server) -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(_PARENT_POLL_SECONDS)
    server.should_exit = True


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off, which costs 40 ms a request.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(
            f"Port {port} on {host} cannot be used ({error.strerror}). "
            "Another program may have it; choose another with --port, or --port 0 for any."
        ) from None
    return listener
