"""`leadpipe up`: the Dagster UI, its daemon and the web application, together."""

import socket
import sys
import time

import click

from leadpipe.cli.demo_sandbox import environment_for, kept_traffic, start_sandbox
from leadpipe.cli.output import notes
from leadpipe.cli.processes import run_until_stopped
from leadpipe.dagster_home import ensure_dagster_home
from leadpipe.errors import ConfigurationError
from leadpipe.settings import load_settings, prepare_dagster
from leadpipe.web.settings import PREFIX, WebSettings

_LIVE_EVENTS_A_MINUTE = 12
_HERE = ("127.0.0.1", "localhost")


@click.command()
@click.option(
    "--port",
    default=3000,
    show_default=True,
    type=click.IntRange(1, 65_535),
    help="Of the Dagster UI (loopback).",
)
@click.option(
    "--page-port",
    type=click.IntRange(1, 65_535),
    help="Of the web page. Default: LEADPIPE_WEB_PORT, else 3002.",
)
@click.option("--verbose", "-v", is_flag=True, help="Show what runs, schedules and sensors log.")
def up(*, port: int, page_port: int | None, verbose: bool) -> None:
    """Start the Dagster UI, its daemon and the web page on the data that is there; stop with Ctrl-C.

    After `leadpipe demo`, and as long as no POSTHOG_API_KEY is set, the demo's sandbox is started too;
    its page views then arrive by webhook while you look at the page.

    \b
    Examples:
      leadpipe up
      leadpipe up -v
    """
    settings = load_settings(WebSettings, **({"web_port": page_port} if page_port else {}))
    _need_port(port)
    home = ensure_dagster_home(settings)
    ui = f"http://127.0.0.1:{port}"
    prefix = PREFIX if settings.is_public else ""
    ready = {f"{ui}/readyz": f"Dagster UI: {ui}{prefix}"}
    if settings.web_host in _HERE and settings.web_port:  # elsewhere its own line says where it is
        page = f"http://{settings.web_host}:{settings.web_port}"
        ready[f"{page}/healthz"] = f"Page: {page}/"
    traffic = kept_traffic(settings) if settings.posthog_api_key is None else None
    server = (
        start_sandbox(
            settings,
            traffic,
            live=_LIVE_EVENTS_A_MINUTE,
            webhook=f"http://127.0.0.1:{settings.web_port}/api/webhooks/posthog",
        )
        if traffic
        else None
    )
    try:
        prepare_dagster(home)
        extra = {
            "DAGSTER_HOME": str(home),
            "LEADPIPE_DAGSTER_URL": ui,
            "LEADPIPE_WEB_PORT": str(settings.web_port),
        }
        if server is not None:
            notes.print(f"The demo's PostHog sandbox: {server.url}")
            extra |= environment_for(server)
        notes.print("Starting Dagster and the page …")
        began = time.monotonic()
        dagster = [sys.executable, "-m", "leadpipe", "dagster", "--daemon", "--port", str(port)]
        if verbose:
            dagster.append("--verbose")
            extra["LEADPIPE_LOG_LEVEL"] = "INFO"
        code = run_until_stopped(
            [dagster, [sys.executable, "-m", "leadpipe", "serve"]],
            extra,
            urls=tuple(ready),
            on_ready=lambda: notes.print(
                "\n".join(
                    [
                        f"Ready after {time.monotonic() - began:.0f} s; Ctrl-C stops all:",
                        *ready.values(),
                    ]
                ),
                markup=False,
            ),
        )
        raise click.exceptions.Exit(code)
    finally:
        if server is not None:
            server.stop()


def _need_port(port: int) -> None:
    """Dagster would say it in a traceback, and end as if nothing were wrong."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(
                f"Port {port} cannot be used ({error.strerror}). Another Dagster UI or another program "
                "may have it; choose another with --port."
            ) from None


COMMANDS = (up,)
