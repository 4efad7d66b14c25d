"""`leadpipe draws participants`, `entries` and `changes`."""

from datetime import UTC, date, datetime

import click
import duckdb

from leadpipe.cli.output import emit, format_options, notes
from leadpipe.connections import open_warehouse
from leadpipe.draws.blacklist import read_msisdn
from leadpipe.draws.inputs import staleness
from leadpipe.draws.msisdn import MASKED_SQL
from leadpipe.draws.participants import (
    Build,
    build_participants,
    built,
    is_frozen,
    late_changes,
)
from leadpipe.draws.rules import rules_of
from leadpipe.draws.settings import DrawsSettings
from leadpipe.published.tables import publish_tables
from leadpipe.settings import load_settings
from leadpipe.warehouse import rows_of

_DATE = click.argument("draw_date", metavar="DATE", type=click.DateTime(formats=["%Y-%m-%d"]))
_PII = click.option("--show-pii", is_flag=True, help="Show MSISDNs in full.")


@click.command()
@_DATE
@click.option("--build", is_flag=True, help="Build the list again, though it is there.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Rows.")
@_PII
@format_options
def participants(
    *, draw_date: datetime, build: bool, limit: int, show_pii: bool, output: str | None
) -> None:
    """Who takes part in the draw of a date, the most entries first; builds the list if it is not there.

    Counted are recharges that PostHog received before the date began, in LEADPIPE_DRAW_TIMEZONE. A list
    that a draw has frozen stays as it is.

    \b
    Examples:
      leadpipe draws participants 2026-11-20
      leadpipe draws participants 2026-11-20 --limit 1000000 --show-pii --csv
    """
    settings, day = load_settings(DrawsSettings), draw_date.date()
    with open_warehouse(settings).connect() as connection:
        state = built(connection, day)
        if build or not state.participants:
            state = build_list(connection, settings, day)
            publish_tables(connection, settings.published_dir)
        stale = None
        if state.participants and not is_frozen(connection, day):
            stale = staleness(connection, day, rules_of(settings, datetime.now(UTC)))
        rows = rows_of(
            connection.execute(
                f"SELECT {'msisdn' if show_pii else MASKED_SQL} AS msisdn, entries, points, "
                "recharge_amount, recharges, last_recharge_at FROM draw_participants "
                "WHERE draw_date = ? ORDER BY entries DESC, last_recharge_at DESC, "
                "draw_participants.msisdn LIMIT ?",
                [day, limit],
            )
        )
    tell(state)
    if stale:
        notes.print(f"! {stale} Build it again with --build", markup=False)
    emit(
        rows,
        output,
        title=f"Participants of {day}",
        empty="Nobody takes part.",
        without=("points",),
        drop=("recharges", "last_recharge_at", "recharge_amount"),
    )


def build_list(connection: duckdb.DuckDBPyConnection, settings: DrawsSettings, day: date) -> Build:
    """Build the list of a date now."""
    now = datetime.now(UTC)
    [state] = build_participants(connection, day, day, rules=rules_of(settings, now), now=now)
    return state


def tell(state: Build) -> None:
    """What a list is worth knowing of, on stderr."""
    notes.print(
        f"{state.draw_date}: {state.participants:,} participants, {state.total_entries:,} entries from "
        f"{state.recharges:,} recharges; {state.blacklisted:,} numbers blacklisted"
    )
    for reason, count in state.rejected.items():
        notes.print(f"rejected: {count:,} × {reason}", markup=False)
    if state.unread_days:
        notes.print(
            f"! {state.unread_days} days before were not read up to the date: run leadpipe sync, then again "
            "with --build"
        )
    if state.is_frozen:
        notes.print(f"The list is frozen by a draw; {state.differences:,} would differ now")


@click.command()
@_DATE
@click.argument("msisdn")
@format_options
def entries(*, draw_date: datetime, msisdn: str, output: str | None) -> None:
    """The entries of one MSISDN in the draw of a date, in any spelling of the number.

    \b
    Example:
      leadpipe draws entries 2026-11-20 08031234567
    """
    settings, day = load_settings(DrawsSettings), draw_date.date()
    number = read_msisdn(msisdn, region=settings.phone_region)
    with open_warehouse(settings).connect() as connection:
        rows = rows_of(
            connection.execute(
                f"SELECT {MASKED_SQL} AS msisdn, entries, points, recharge_amount, recharges, "
                "last_recharge_at FROM draw_participants WHERE draw_date = ? AND msisdn = ?",
                [day, number],
            )
        )
        total = built(connection, day).total_entries
    emit(rows, output, title=f"Of {total:,} entries of {day}", empty="No entries: not taking part.")


@click.command()
@_DATE
@_PII
@format_options
def changes(*, draw_date: datetime, show_pii: bool, output: str | None) -> None:
    """Recharges and refunds from before a date that PostHog received after it began.

    They change nothing in the draw of that date; recharges count in the next one.

    \b
    Example:
      leadpipe draws changes 2026-11-20
    """
    settings, day = load_settings(DrawsSettings), draw_date.date()
    rules = rules_of(settings, datetime.now(UTC))
    with open_warehouse(settings).connect() as connection:
        rows = late_changes(connection, day, rules=rules, is_masked=not show_pii)
    emit(rows, output, title=f"Too late for {day}", empty="Nothing arrived or was refunded later.")
