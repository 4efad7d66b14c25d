"""`leadpipe dagster`: the Dagster UI, guarded."""

from pathlib import Path

import click

from leadpipe.cli.output import notes
from leadpipe.dagster_home import ensure_dagster_home
from leadpipe.settings import load_settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option("--port", default=3000, show_default=True, type=click.IntRange(0, 65_535))
@click.option(
    "--workspace",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A Dagster workspace file with further code. Default: leadpipe's definitions.",
)
@click.option("--daemon", "with_daemon", is_flag=True, help="Run schedules and sensors, too.")
@click.option(
    "--verbose", "-v", is_flag=True, help="Log what schedules and sensors do, not only errors."
)
def dagster(
    *, host: str, port: int, workspace: Path | None, with_daemon: bool, verbose: bool
) -> None:
    """Serve the Dagster UI as dagster-webserver does, behind leadpipe's door; stop with Ctrl-C.

    It takes commands from its own page only, and answers this machine only. With LEADPIPE_WEB_NAMES, or
    a host beyond loopback, it is below /dagster and wants the login of the page, which serves the login.

    \b
    Examples:
      leadpipe dagster
      leadpipe dagster --daemon --port 3000
    """
    settings = load_settings()
    home = ensure_dagster_home(settings)
    from leadpipe.dagster_ui import serve_dagster  # noqa: PLC0415 - seconds to import

    serve_dagster(
        settings,
        home=home,
        host=host,
        port=port,
        workspace=workspace,
        with_daemon=with_daemon,
        is_verbose=verbose,
        say=lambda text: notes.print(text, markup=False),
    )


COMMANDS = (dagster,)
