"""`leadpipe serve`: leadpipe's own web application."""

import click

from leadpipe.cli.output import notes
from leadpipe.settings import load_settings


@click.command()
@click.option("--host", help="Where it listens. Default: LEADPIPE_WEB_HOST, else 127.0.0.1.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Default: LEADPIPE_WEB_PORT, else 3002."
)
def serve(*, host: str | None, port: int | None) -> None:
    """Serve the page, PostHog's webhook and the cron endpoints; stop with Ctrl-C.

    The pages begin with Today; /admin/sync is System. Runs are started through the Dagster UI's address
    (LEADPIPE_DAGSTER_URL); `leadpipe up` starts both. Without POSTHOG_WEBHOOK_SECRET it listens on
    loopback only.

    \b
    Examples:
      leadpipe serve
      leadpipe serve --host 0.0.0.0 --port 3002
    """
    from leadpipe.web.server import serve as serve_app  # noqa: PLC0415 - a second to import

    options = {"web_host": host, "web_port": port}
    settings = load_settings(
        **{name: value for name, value in options.items() if value is not None}
    )
    serve_app(settings, say=lambda text: notes.print(text, markup=False))


COMMANDS = (serve,)
