"""Serve applications with uvicorn: where they listen, within which limits, and what is said at the start."""

import gc
import logging
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from leadpipe import tracing
from leadpipe.errors import ConfigurationError
from leadpipe.private import said_of_others
from leadpipe.settings import Settings
from leadpipe.web.app import create_app
from leadpipe.web.caller import has_login
from leadpipe.web.protocol import limited_protocol
from leadpipe.web.settings import WebSettings

_GRACE_SECONDS = 5
_BACKLOG = 1_024
_SWITCH_SECONDS = 0.001  # the inbox's thread gets its turn sooner: a fifth of the usual wait for it
_MOST_CONNECTIONS = 2_000


def serve(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Serve the page until a signal.

    Args:
        settings: host, port, names, secrets, data folder.
        say: told where the page is and what is closed.

    Raises:
        ConfigurationError: the port is taken, or a setting cannot be used.
    """
    own = settings.of(WebSettings)
    tracing.begin(settings.otlp_endpoint)
    app = create_app(settings, is_public=own.is_public, on_ready=_spare_the_collector)
    listener = listen(own.web_host, own.web_port, option="--port or LEADPIPE_WEB_PORT")
    say(f"leadpipe page: {address_of(own.web_host, listener)}/")
    for line in _closed(own):
        say(line)
    sys.setswitchinterval(_SWITCH_SECONDS)
    run_until_signal(app, listener, own)


def run_until_signal(
    app: ASGIApp,
    listener: socket.socket,
    settings: WebSettings,
    *,
    is_ending: Callable[[], bool] | None = None,
) -> None:
    """Serve an application within limits until a signal, or until `is_ending` says so."""
    logging.getLogger("leadpipe.acts").setLevel(logging.INFO)
    logging.getLogger("leadpipe.acts").addHandler(_to_stderr())
    config = uvicorn.Config(
        app,
        http=limited_protocol(settings.proxies),
        proxy_headers=False,  # the door believes proxies, and only where it should
        access_log=False,
        log_level="warning",
        server_header=False,
        backlog=_BACKLOG,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = _Server(config, is_ending or (lambda: False))
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal once more when it has ended well
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn's server, which also ends when something beside it does."""

    def __init__(self, config: uvicorn.Config, is_ending: Callable[[], bool]) -> None:
        super().__init__(config)
        self._is_ending = is_ending

    async def on_tick(self, counter: int) -> bool:
        """Whether to end, asked ten times a second."""
        return await super().on_tick(counter) or self._is_ending()


def listen(host: str, port: int, *, option: str) -> socket.socket:
    """A socket that listens; who connects before uvicorn accepts waits a moment.

    Raises:
        ConfigurationError: the port is taken; `option` is what chooses another.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off, which costs 40 ms a request.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"Port {port} on {host} cannot be used ({error.strerror}). Another program may have it; "
            f"choose another with {option}."
        ) from None
    return listener


def address_of(host: str, listener: socket.socket) -> str:
    """Where a socket listens, as a web address."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


def _closed(settings: WebSettings) -> list[str]:
    """What others can read, and what nobody, or only this machine, can do, and why."""
    is_closed = has_login(settings)
    who = "nobody" if is_closed else "this machine only"
    lines = [wide] if (wide := said_of_others(settings.data_dir)) else []
    if settings.is_public and settings.admin_token is None:
        lines.append(f"Log in with the token in {settings.data_dir / 'admin_token'}")
    if settings.posthog_webhook_secret is None and is_closed:
        lines.append("POSTHOG_WEBHOOK_SECRET is not set: PostHog's webhook is closed.")
    if settings.cron_secret is None:
        lines.append(f"CRON_SECRET is not set: /api/cron/… answers {who}.")
    if settings.metrics_secret is None:
        lines.append(f"LEADPIPE_METRICS_SECRET is not set: /metrics answers {who}.")
    if settings.is_public and not settings.names:
        lines.append(
            "LEADPIPE_WEB_NAMES is not set: the page answers to any name. Set it to the one people type."
        )
    return lines


def _to_stderr() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(tracing.TracedLines("%(asctime)s %(message)s"))
    return handler


def _spare_the_collector() -> None:
    """Let the garbage collector pass over what is loaded once and for all: 80 ms at each full collection."""
    gc.collect()
    gc.freeze()
