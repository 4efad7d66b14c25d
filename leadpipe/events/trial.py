"""What `leadpipe demo` loads and shows of events."""

from datetime import UTC, datetime

from leadpipe.cli.output import console, notes, print_grid
from leadpipe.events.listing import read_days
from leadpipe.events.settings import EventsSettings
from leadpipe.events.syncing import plan_now, run_days
from leadpipe.settings import Settings

_DAYS_A_LINE = 5


def load(settings: Settings, *, now: datetime) -> list[str]:
    """Sync all days, and audit the older ones, as every night does; what went wrong, a line each."""
    from leadpipe.execution import run_job  # noqa: PLC0415 - Dagster takes seconds to import

    days = plan_now(settings.of(EventsSettings), now).days
    if not notes.is_terminal:  # which has a bar
        notes.print(f"Syncing {len(days)} {'day' if len(days) == 1 else 'days'} …")
    problems = run_days(settings, days)
    audited = run_job(settings, "audit", now.date(), now.date())
    return [*problems, *([audited.error] if audited.error else [])]


def show(settings: Settings) -> None:
    """Each day beside PostHog's own count."""
    days = read_days(settings.of(EventsSettings), now=datetime.now(UTC))
    verdicts = [
        (one.event_date, one.posthog_events or 0, verdict.is_complete)
        for one, verdict in days
        if one.read_until is not None
    ]
    cells = [
        f"{day:%m-%d} {'✓' if is_complete else '✗'} {count:,}"
        for day, count, is_complete in verdicts
    ]
    print_grid(cells, title="Days (✓ the same events as in PostHog, how many)", most=_DAYS_A_LINE)
    complete = sum(is_complete for _, _, is_complete in verdicts)
    events = sum(count for _, count, _ in verdicts)
    console.print(f"{complete} of {len(verdicts)} days complete, {events:,} events.")
