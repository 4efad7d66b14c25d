"""The command line: thin commands over the same functions that Dagster runs.

Tables for people, `--json` and `--csv` for programs. Results go to stdout, everything else to stderr.
"""

import click

from leadpipe import __version__
from leadpipe.cli.backup import backup, restore
from leadpipe.cli.check import check
from leadpipe.cli.delivery import deliver, delivery, failed, reconcile, succeeded
from leadpipe.cli.demo import demo, sandbox
from leadpipe.cli.draws import draws
from leadpipe.cli.inbox import inbox
from leadpipe.cli.interactions import sync_leads_command, validate_leads
from leadpipe.cli.leads import leads
from leadpipe.cli.serve import serve
from leadpipe.cli.sync import rebuild, sync
from leadpipe.cli.tables import days, listings, runs
from leadpipe.cli.up import up
from leadpipe.cli.visitors import visitors
from leadpipe.errors import LeadpipeError


class _Group(click.Group):
    """A group whose commands end with one line, not a traceback, on errors leadpipe raises on purpose."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except LeadpipeError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="leadpipe")
def main() -> None:
    """PostHog events in DuckDB, exactly once: leads with scores, hourly listing analytics, totals.

    Configured by the environment or by .env; see .env.example.

    \b
    Examples:
      leadpipe demo            try it without an account
      leadpipe check           is everything configured and reachable?
      leadpipe sync            load what is new
      leadpipe leads list      who wants what
    """


for command in (
    *(check, sync, rebuild, runs, days, leads, listings, visitors, inbox),
    *(deliver, failed, succeeded, reconcile, delivery, backup, restore),
    *(sync_leads_command, validate_leads, draws, demo, sandbox, up, serve),
):
    main.add_command(command)
