"""Serve the application with uvicorn: where it listens, and what it says when it starts."""

import gc
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from leadpipe.errors import ConfigurationError
from leadpipe.settings import Settings
from leadpipe.web.access import is_loopback
from leadpipe.web.app import create_app
from leadpipe.web.settings import WebSettings

_GRACE_SECONDS = 5
_BACKLOG = 1_024
_SWITCH_SECONDS = 0.001  # the inbox's thread gets its turn sooner: a fifth of the usual wait for it
_MOST_CONNECTIONS = 2_000


def serve(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Serve until a signal. Without a webhook secret only on loopback, whatever is configured.

    Args:
        settings: host, port, secrets, data folder.
        say: told where the page is and what is not secured.

    Raises:
        ConfigurationError: the port is taken, or a setting cannot be used.
    """
    own = settings.of(WebSettings)
    host = own.web_host
    if not is_loopback(host) and settings.posthog_webhook_secret is None:
        say(
            f"POSTHOG_WEBHOOK_SECRET is not set: listening on 127.0.0.1 only, not on {host}. "
            "Set it, so that only PostHog can send events."
        )
        host = "127.0.0.1"
    is_public = not is_loopback(host)
    app = create_app(settings, is_public=is_public, on_ready=_spare_the_collector)
    listener = _listener(host, own.web_port)
    port = listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    say(f"leadpipe page: http://{shown}:{port}/admin/sync")
    if is_public and own.admin_token is None:
        say(f"Log in with the token in {settings.data_dir / 'admin_token'}")
    if own.cron_secret is None:
        say("CRON_SECRET is not set: /api/cron/… answers this machine only.")
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        server_header=False,
        backlog=_BACKLOG,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    sys.setswitchinterval(_SWITCH_SECONDS)
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal once more when it has ended well
        uvicorn.Server(config).run(sockets=[listener])


def _spare_the_collector() -> None:
    """Let the garbage collector pass over what is loaded once and for all: 80 ms at each full collection."""
    gc.collect()
    gc.freeze()


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off, which costs 40 ms a request.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)  # who connects before uvicorn accepts waits a moment
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"Port {port} on {host} cannot be used ({error.strerror}). Another program may have it; "
            "choose another with --port or LEADPIPE_WEB_PORT."
        ) from None
    return listener
