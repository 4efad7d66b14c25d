"""The command line: thin commands over the same functions that Dagster runs.

Tables for people, `--json` and `--csv` for programs. Results go to stdout, everything else to stderr. Here
stands what loads a command when it is typed; a domain's commands are in its `commands.py`.
"""

import shutil
import sys
import textwrap
from functools import cached_property
from importlib import import_module
from typing import Any

import click
import click.shell_completion

from leadpipe import __version__, domains
from leadpipe.errors import DomainMisfit, LeadpipeError
from leadpipe.private import keep_private
from leadpipe.terminal import forgive_encodings, said_to

# The commands that are no domain's, by the module they are in.
_FRAME = {
    "leadpipe.cli.check": {"check": "Say what is right and what is wrong with the set-up."},
    "leadpipe.cli.prepare": {"prepare": "Make all tables once, before several programs start."},
    "leadpipe.cli.rebuild": {"rebuild": "Build all tables again from the raw events."},
    "leadpipe.cli.backup": {
        "backup": "Copy the warehouse and what lies beside it to an archive.",
        "restore": "Bring an archive back to an empty data folder or lake.",
    },
    "leadpipe.cli.tables": {"tables": "Say which tables are published, and how others read them."},
    "leadpipe.cli.today": {"today": "Say what is new since yesterday, or send it as a message."},
    "leadpipe.cli.demo": {
        "demo": "Sync invented traffic from a PostHog sandbox, and show what came out.",
        "sandbox": "Run a PostHog to try things on.",
    },
    "leadpipe.cli.serve": {"serve": "Serve the page, PostHog's webhook and the cron endpoints."},
    "leadpipe.cli.dagster": {"dagster": "Serve the Dagster UI behind the page's login."},
    "leadpipe.cli.access": {"access": "Say who is logged in and what they did."},
    "leadpipe.cli.completion": {"completion": "Let a shell complete what is typed."},
    "leadpipe.cli.worker": {"worker": "Execute runs of a cluster on this machine."},
    "leadpipe.cli.up": {"up": "Start the Dagster UI, its daemon and the web page."},
}


class _Group(click.Group):
    """A group that knows its commands by name, and imports one when it is wanted.

    Commands end with one line, not a traceback, on errors leadpipe raises on purpose.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in self._modules:
            return None
        module = import_module(self._modules[cmd_name])
        for command in module.COMMANDS:
            if isinstance(command, click.Command) and command.name == cmd_name:
                return command
        raise DomainMisfit(f"{module.__name__}.COMMANDS has no command named {cmd_name!r}")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._lines[name]) for name in self.list_commands(ctx)])

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """The commands by their lines of help, without importing one of them for each Tab."""
        known = [
            click.shell_completion.CompletionItem(name, help=self._lines[name])
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ]
        return known + click.Command.shell_complete(self, ctx, incomplete)

    def main(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - click's own
        forgive_encodings()
        keep_private()
        return super().main(*args, **options)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except LeadpipeError as error:
            raise click.ClickException(_in_lines(said_to(sys.stderr, str(error)))) from None

    @cached_property
    def _lines(self) -> dict[str, str]:
        """The line of help of each command."""
        return {name: line for _, lines in self._brought for name, line in lines.items()}

    @cached_property
    def _modules(self) -> dict[str, str]:
        """The module of each command."""
        named = ((module, name) for module, lines in self._brought for name in lines)
        return domains.owners(named, "command")

    @cached_property
    def _brought(self) -> list[tuple[str, dict[str, str]]]:
        """The modules with commands, each with a line of help for each of them."""
        brought = [
            (f"{package.__name__}.commands", getattr(package, "COMMANDS", {}))
            for package in domains.packages()
        ]
        return [*_FRAME.items(), *brought]


def _in_lines(text: str) -> str:
    """An error's text, on a terminal in lines of whole words, after `Error: `."""
    if not sys.stderr.isatty():
        return text
    width = max(shutil.get_terminal_size().columns - len("Error: "), 10)
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


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
