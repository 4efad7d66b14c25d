"""Requests as they are measured: how many, how long, by route; never by what somebody typed as an address."""

import time
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadpipe import tracing

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNKNOWN = "other"
UNMATCHED = "unmatched"
"""The label of all addresses where there is nothing."""


class Routes:
    """Which route answers a path, by the route's template (`/admin/sync/runs/{run_id}`)."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        plain = [route for route in routes if isinstance(route, Route)]
        self._fixed = frozenset(route.path for route in plain if not route.param_convertors)
        self._patterns = [
            (route.path_regex, route.path) for route in plain if route.param_convertors
        ]
        self._mounts = [route.path for route in routes if isinstance(route, Mount)]

    def template_of(self, path: str) -> str:
        """The template, or one word for all that no route answers."""
        if path in self._fixed:
            return path
        for pattern, template in self._patterns:
            if pattern.match(path):
                return template
        mounted = (mount for mount in self._mounts if path.startswith(f"{mount}/"))
        return next(mounted, UNMATCHED)


class Measured:
    """Counts answers and their seconds, to their last byte: a page that follows a run takes as long as that.

    Args:
        app: what answers.
        registry: where it is counted.
        routes: which there are.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        registry: CollectorRegistry,
        routes: Routes,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.app = app
        self._routes = routes
        self._clock = clock
        self._count = Counter(
            "leadpipe_http_requests",
            "Requests that were answered, by route, method and status.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "leadpipe_http_request_duration_seconds",
            "How long answers took, by route and method.",
            ["route", "method"],
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count what became of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = self._clock()
        status = 500  # what is said of an exception, outside of this

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        route = self._routes.template_of(scope["path"])
        method = scope["method"] if scope["method"] in _METHODS else _UNKNOWN
        try:
            with tracing.span(
                f"{method} {route}", kind="server", http__request__method=method, http__route=route
            ) as span:
                await self.app(scope, receive, noting)
                span.note(http__response__status_code=status)
        finally:
            self._count.labels(route, method, str(status)).inc()
            self._seconds.labels(route, method).observe(self._clock() - begun)
