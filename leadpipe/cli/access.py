"""`leadpipe access`: who is logged in to the page and the Dagster UI, and what they did."""

from datetime import UTC, datetime

import click

from leadpipe.cli.output import console, emit, format_options
from leadpipe.settings import load_settings
from leadpipe.warehouse import Rows
from leadpipe.web.logins import Logins


@click.group(invoke_without_command=True)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@format_options
@click.pass_context
def access(ctx: click.Context, *, limit: int, output: str | None) -> None:
    """Say who revealed personal data, retried, launched, logged in or gave a wrong token; the latest first.

    \b
    Examples:
      leadpipe access
      leadpipe access sessions
      leadpipe access end
    """
    if ctx.invoked_subcommand:
        return
    acts = _logins().acts(limit=limit)
    rows = tuple((act.done_at, act.who, act.what) for act in acts)
    emit(Rows(("done_at", "who", "what"), rows), output, title="What people did")


@access.command()
@format_options
def sessions(*, output: str | None) -> None:
    """List the sessions that have not ended: since when, from which address.

    \b
    Example:
      leadpipe access sessions
    """
    found = _logins().sessions(now=datetime.now(UTC))
    rows = tuple((one.name, one.address, one.started_at, one.ends_at) for one in found)
    emit(Rows(("session", "address", "started_at", "ends_at"), rows), output, title="Sessions")


@access.command()
def end() -> None:
    """End all sessions: everybody has to log in again.

    \b
    Example:
      leadpipe access end
    """
    console.print(f"{_logins().end_all()} sessions ended")


def _logins() -> Logins:
    return Logins(load_settings().data_dir / "logins.sqlite")


COMMANDS = (access,)
