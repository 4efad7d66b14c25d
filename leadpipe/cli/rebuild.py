"""`leadpipe rebuild`: every mart again from the raw events."""

from datetime import UTC, datetime

import click

from leadpipe.cli.output import console
from leadpipe.rebuild import rebuild as rebuild_marts
from leadpipe.settings import load_settings


@click.command()
@click.option("--rescore", is_flag=True, help="Score all leads by the rules of today.")
def rebuild(*, rescore: bool) -> None:
    """Build all tables again from the raw events; status and notes are kept.

    Nothing is read from PostHog. The tables come out the same: use it after an upgrade, or with
    --rescore after new score rules.

    \b
    Examples:
      leadpipe rebuild
      leadpipe rebuild --rescore
    """
    report = rebuild_marts(load_settings(), now=datetime.now(UTC), is_rescored=rescore)
    rows = ", ".join(f"{count:,} {what}" for what, count in report.rows.items())
    console.print(f"Rebuilt {rows}.")


COMMANDS = (rebuild,)
