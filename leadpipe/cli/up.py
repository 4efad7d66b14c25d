"""`leadpipe up`: the Dagster UI, its daemon and the web application, together."""

import sys

import click

from leadpipe.cli.demo_sandbox import environment_for, kept_traffic, start_sandbox
from leadpipe.cli.output import notes
from leadpipe.cli.processes import ensure_dagster_home, run_until_stopped
from leadpipe.settings import load_settings, prepare_dagster
from leadpipe.web.settings import WebSettings

_LIVE_EVENTS_A_MINUTE = 12


@click.command()
@click.option("--port", default=3000, show_default=True, help="Of the Dagster UI (loopback).")
@click.option(
    "--page-port",
    type=click.IntRange(1, 65_535),
    help="Of the web page. Default: LEADPIPE_WEB_PORT, else 3002.",
)
def up(*, port: int, page_port: int | None) -> None:
    """Start the Dagster UI, its daemon and the web page on the data that is there; stop with Ctrl-C.

    After `leadpipe demo`, and as long as no POSTHOG_API_KEY is set, the demo's sandbox is started too;
    its page views then arrive by webhook while you look at the page.

    \b
    Example:
      leadpipe up
    """
    settings = load_settings(WebSettings, **({"web_port": page_port} if page_port else {}))
    home = ensure_dagster_home(settings)
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
        prepare_dagster()
        extra = {
            "DAGSTER_HOME": str(home),
            "LEADPIPE_DAGSTER_URL": f"http://127.0.0.1:{port}",
            "LEADPIPE_WEB_PORT": str(settings.web_port),
        }
        if server is not None:
            notes.print(f"The demo's PostHog sandbox: {server.url}")
            extra |= environment_for(server)
        notes.print(f"Dagster UI: http://127.0.0.1:{port} (answers in some 20 seconds)")
        dagster = [
            *(sys.executable, "-m", "dagster", "dev", "-m", "leadpipe.definitions"),
            *("-h", "127.0.0.1", "-p", str(port)),
        ]
        page = [sys.executable, "-m", "leadpipe", "serve"]
        raise click.exceptions.Exit(run_until_stopped([dagster, page], extra))
    finally:
        if server is not None:
            server.stop()


COMMANDS = (up,)
