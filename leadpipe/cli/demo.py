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
from leadpipe.cli.output import console, step
from leadpipe.cli.processes import activation, program, run_until_stopped
from leadpipe.dagster_home import ensure_dagster_home
from leadpipe.domains import HasTrial, parts
from leadpipe.errors import ConfigurationError
from leadpipe.published import reading
from leadpipe.settings import Settings, load_settings

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
    with step(f"Starting a PostHog sandbox with {traffic.events:,} events"):
        server = start_sandbox(settings, traffic)
    with server:
        keep_traffic(settings, traffic)
        configured = settings_for(server)
        problems = [
            problem for _, part in parts(HasTrial) for problem in part.load(configured, now=now)
        ]
    for _, part in parts(HasTrial):
        console.print()
        part.show(configured)
    console.print(f"\n{_account(configured, traffic)}", markup=False)
    console.print(f"\n{_next_steps()}", markup=False, no_wrap=True, overflow="ignore", crop=False)
    if problems:
        raise click.exceptions.Exit(1)


def _account(settings: Settings, traffic: Traffic) -> str:
    """Why fewer events are here than were invented."""
    [[stored]] = reading.query(
        settings.published_dir, "SELECT coalesce(sum(warehouse_events), 0)::BIGINT FROM event_days"
    ).rows
    return (
        f"{traffic.events:,} events were invented over {traffic.days:,} days, the last of them "
        f"before {traffic.end[:10]}; {stored:,} are here. The others are dated after this moment and come "
        "as time passes, are second copies of an event that counts once, or are of a name that no table uses."
    )


def _next_steps() -> str:
    """What to type now, as it works here."""
    steps = {
        program("up"): "shows it in the browser",
        program("leads list"): "who wants what",
        program("--help"): "the rest",
    }
    longest = max(map(len, steps))
    lines = ["Next:", *(f"  {typed:{longest}}  {what}" for typed, what in steps.items())]
    if line := activation():
        lines.append(f"After `{line}` it is `leadpipe` alone.")
    return "\n".join(lines)


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
