"""`leadpipe demo` and `leadpipe sandbox`: leadpipe without an account."""

import sys
from datetime import UTC, datetime, timedelta

import click

from leadpipe.cli.demo_sandbox import (
    Traffic,
    keep_traffic,
    kept_traffic,
    need_sandbox,
    settings_for,
    start_sandbox,
)
from leadpipe.cli.output import console, notes
from leadpipe.cli.processes import program, run_until_stopped
from leadpipe.dagster_home import ensure_dagster_home
from leadpipe.domains import HasTrial, parts
from leadpipe.errors import ConfigurationError
from leadpipe.settings import load_settings

_AHEAD_DAYS = 7


@click.command()
@click.option(
    "--events",
    default=30_000,
    show_default=True,
    type=click.IntRange(1_000, 20_000_000),
    help="How many events to invent.",
)
@click.option(
    "--days",
    default=60,
    show_default=True,
    type=click.IntRange(1, 3_650),
    help="Over how many days before today.",
)
@click.option("--seed", default=1, show_default=True, help="The same seed, the same events.")
@click.option(
    "--port", default=8010, show_default=True, help="Where the sandbox listens (loopback)."
)
def demo(*, events: int, days: int, seed: int, port: int) -> None:
    """Start a PostHog sandbox with invented traffic, sync it, and show what came out.

    Run it again, and the same traffic is synced: nothing is added, whatever the options. `make clean`
    forgets it. `leadpipe up` shows it in the Dagster UI.

    \b
    Examples:
      leadpipe demo
      leadpipe demo --events 200000 --days 120
    """
    settings = load_settings()
    if settings.posthog_api_key is not None:
        raise ConfigurationError(
            "POSTHOG_API_KEY is set, and the demo would mix invented events with real ones. "
            "Run `leadpipe sync`, or unset it (see .env) for the demo."
        )
    ensure_dagster_home(settings)  # or say now that nothing can be written here
    now = datetime.now(UTC)
    end = (now + timedelta(days=_AHEAD_DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
    traffic = kept_traffic(settings) or Traffic(
        port, events, days + _AHEAD_DAYS, seed, end.isoformat()
    )
    notes.print(f"Starting a PostHog sandbox with {traffic.events:,} events …")
    with start_sandbox(settings, traffic) as server:
        keep_traffic(settings, traffic)
        configured = settings_for(server)
        problems = [
            problem for _, part in parts(HasTrial) for problem in part.load(configured, now=now)
        ]
    for _, part in parts(HasTrial):
        console.print()
        part.show(configured)
    console.print(f"\nNext: {program('up')}, {program('--help')}.")
    if problems:
        raise click.exceptions.Exit(1)


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(*, arguments: tuple[str, ...]) -> None:
    """Run a PostHog to try things on: query and capture APIs, invented traffic.

    The same as `posthog-sandbox`, with the same options.

    \b
    Examples:
      leadpipe sandbox --events 20000 --live 30
      leadpipe sandbox parquet --events 1000000 --out traffic
    """
    need_sandbox()
    command = [sys.executable, "-m", "posthog_sandbox", *arguments]
    raise click.exceptions.Exit(run_until_stopped([command], {}))


COMMANDS = (demo, sandbox)
