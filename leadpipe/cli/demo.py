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
from leadpipe.cli.output import console, emit, notes, print_table
from leadpipe.cli.processes import run_until_stopped
from leadpipe.cli.sync import plan_now, run_days
from leadpipe.cli.visitors import sync_weeks
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
    now = datetime.now(UTC)
    end = (now + timedelta(days=_AHEAD_DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
    traffic = kept_traffic(settings) or Traffic(
        port, events, days + _AHEAD_DAYS, seed, end.isoformat()
    )
    notes.print(f"Starting a PostHog sandbox with {traffic.events:,} events …")
    with start_sandbox(settings, traffic) as server:
        keep_traffic(settings, traffic)
        configured = settings_for(server)
        problems = run_days(configured, plan_now(configured, now).days)
        problems += sync_weeks(configured)
    _show(configured)
    if problems:
        raise click.exceptions.Exit(1)


def _show(settings: Settings) -> None:
    folder = settings.published_dir
    console.print()
    by_type = reading.query(
        folder,
        "WITH actions AS (SELECT unnest(CAST(lead_actions AS JSON[])) AS action FROM leads) "
        "SELECT replace(coalesce(action ->> 'message_type', action ->> 'action_type'), 'lead_', '') "
        "AS lead_type, count(*) AS actions, CAST(sum(CAST(action ->> 'points' AS INTEGER)) AS BIGINT) "
        "AS points FROM actions GROUP BY lead_type ORDER BY actions DESC",
    )
    emit(by_type, None, title="Leads by type")
    console.print()
    top = reading.query(
        folder,
        "SELECT listing_id, total_views, unique_views, total_leads, unique_leads, conversion_rate "
        "FROM listings ORDER BY total_leads DESC, total_views DESC, listing_id LIMIT 5",
    )
    emit(top, None, title="Top listings")
    console.print()
    weeks = reading.query(
        folder,
        "SELECT week_start, visitors, pageviews, signups, conversion_rate FROM visitor_metrics "
        "ORDER BY week_start DESC LIMIT 5",
    )
    emit(weeks, None, title="Visitors per week")
    console.print()
    verdicts = reading.query(
        folder,
        "SELECT event_date, posthog_events, is_complete FROM event_days "
        "WHERE read_until IS NOT NULL ORDER BY event_date",
    ).rows
    cells = [
        f"{day:%m-%d} {'✓' if complete else '✗'} {count:,}" for day, count, complete in verdicts
    ]
    width = 5
    lines = [cells[start : start + width] for start in range(0, len(cells), width)]
    lines = [line + [""] * (width - len(line)) for line in lines]
    print_table([""] * width, lines, title="Days (✓ PostHog's own count agrees, events)")
    complete = sum(bool(row[2]) for row in verdicts)
    events = sum(int(str(row[1])) for row in verdicts)
    totals = reading.query(folder, "SELECT count(DISTINCT lead_id), count(*) FROM leads").rows[0]
    console.print(
        f"\n{complete} of {len(verdicts)} days complete, {events:,} events, "
        f"{totals[0]:,} leads in {totals[1]:,} records."
    )
    console.print(
        "Next: `make up` for the Dagster UI and the web page, `leadpipe leads list`, `leadpipe listings`."
    )


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
