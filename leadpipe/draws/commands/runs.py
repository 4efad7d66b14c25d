"""`leadpipe draws freeze`, `run`, `record` and `show`."""

from datetime import UTC, date, datetime
from pathlib import Path

import click
import duckdb

from leadpipe.cli.output import console, emit, format_options, notes
from leadpipe.connections import connect_capture, connect_posthog, open_warehouse
from leadpipe.draws import drawing, register
from leadpipe.draws.commands.evidence import rules_line
from leadpipe.draws.commands.lists import build_list
from leadpipe.draws.participants import built
from leadpipe.draws.prizes import load_prizes
from leadpipe.draws.recording import record_draw
from leadpipe.draws.rules import rules_of
from leadpipe.draws.settings import DrawsSettings
from leadpipe.errors import ConfigurationError, UnknownDraw
from leadpipe.published import reading
from leadpipe.published.tables import publish_tables
from leadpipe.settings import load_settings
from leadpipe.warehouse import Rows, owning, rows_of, transaction

_DATE = click.argument("draw_date", metavar="DATE", type=click.DateTime(formats=["%Y-%m-%d"]))
_PII = click.option("--show-pii", is_flag=True, help="Show MSISDNs in full.")
_PRIZES = click.option(
    "--prizes",
    "prizes_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The prizes file. Default: LEADPIPE_PRIZES_FILE.",
)
_SEED = click.option(
    "--seed",
    help="64 hexadecimal digits; who sees them knows the winners. Default: random.",
)
_BEACON = click.option(
    "--beacon", default="", help="A public source of randomness whose value is not known yet."
)
_REDO = click.option("--redo", "reason", default="", help="Why the draw there is shall not stand.")


@click.command()
@_DATE
@_PRIZES
@_SEED
@_BEACON
@_REDO
def freeze(
    *, draw_date: datetime, prizes_file: Path | None, seed: str | None, beacon: str, reason: str
) -> None:
    """Fix participants, prizes and seed, and print the commitment to publish before the draw.

    A list that is older than what it depends on (the blacklist, settings, recharges, the reading of phone
    numbers) is refused: build it again with `leadpipe draws participants DATE --build`.

    With --beacon the draw waits for a value nobody knows yet, so that not even its makers can choose
    the winners.

    \b
    Examples:
      leadpipe draws freeze 2026-11-20 --prizes prizes.toml
      leadpipe draws freeze 2026-11-20 --prizes prizes.toml --beacon "drand quicknet round 24000000"
    """
    settings, day = load_settings(DrawsSettings), draw_date.date()
    tiers = load_prizes(_prizes_path(settings, prizes_file))
    with open_warehouse(settings).connect() as connection, owning(connection, "participants"):
        _build_if_missing(connection, settings, day)
        draw, _ = drawing.freeze(
            connection,
            day,
            tiers,
            rules=rules_of(settings, datetime.now(UTC)),
            now=datetime.now(UTC),
            seed=seed,
            beacon=beacon,
            redo_reason=reason,
        )
        publish_tables(connection, settings.published_dir)
    notes.print(
        f"{draw.draw_id} is frozen: {draw.announcement['participants']:,} participants, "
        f"{draw.announcement['total_entries']:,} entries. Publish this commitment, then run the draw."
    )
    notes.print(rules_line(draw.announcement["rules"]))
    click.echo(draw.commitment)


@click.command("run")
@_DATE
@_PRIZES
@_SEED
@click.option(
    "--beacon-value", default="", help="The value of the beacon named when freezing, in hex."
)
@_REDO
@click.option("--no-record", is_flag=True, help="Do not send the results to PostHog now.")
@format_options
def run_draw(
    *,
    draw_date: datetime,
    prizes_file: Path | None,
    seed: str | None,
    beacon_value: str,
    reason: str,
    no_record: bool,
    output: str | None,
) -> None:
    """Draw the winners and runner-ups of a date, once, and record them in PostHog.

    A date that was not frozen before is frozen first. One that has its draw keeps it: the result is
    shown again, and recording goes on where it was. --redo makes another, and keeps the first on record.

    \b
    Examples:
      leadpipe draws run 2026-11-20 --prizes prizes.toml
      leadpipe draws run 2026-11-20 --beacon-value 2f6c31f9d1bb5b7ac8b9c2ab9d9e5c11
      leadpipe draws run 2026-11-20 --prizes prizes.toml --redo "the prizes were wrong"
    """
    settings, day, now = load_settings(DrawsSettings), draw_date.date(), datetime.now(UTC)
    with open_warehouse(settings).connect() as connection, owning(connection, "participants"):
        draw, frozen = register.draw_of(connection, day), None
        if draw is None or reason:
            tiers = load_prizes(_prizes_path(settings, prizes_file))
            _build_if_missing(connection, settings, day)
            draw, frozen = drawing.freeze(
                connection,
                day,
                tiers,
                rules=rules_of(settings, now),
                now=now,
                seed=seed,
                redo_reason=reason,
            )
        else:
            register.check_same(draw, load_prizes(prizes_file) if prizes_file else None, seed=seed)
        if draw.evidence is not None:
            notes.print(f"{draw.draw_id} was drawn before; nothing is drawn again")
        draw = drawing.run(connection, day, now=now, beacon_value=beacon_value, frozen=frozen)
        publish_tables(connection, settings.published_dir)
    _print_draw(settings, day, output)
    if not no_record:
        _record(settings, day)


def _print_draw(settings: DrawsSettings, day: date, output: str | None) -> None:
    rows = reading.query(
        settings.published_dir,
        "SELECT prize_tier_id, prize_tier_name, prize_value, is_runner_up, rank, msisdn, entries, "
        "recorded_at, draw_id FROM draw_winners JOIN draws USING (draw_id, draw_date) "
        "WHERE draw_date = $day AND status = 'drawn' ORDER BY is_runner_up, prize_tier_id, rank",
        {"day": day},
    )
    _emit_winners(rows, output, day)


def _emit_winners(rows: Rows, output: str | None, day: date) -> None:
    emit(
        rows,
        output,
        title=f"Draw of {day}",
        empty="Not drawn yet.",
        without=("prize_tier_id",),
        drop=("draw_id", "recorded_at", "entries", "prize_value"),
    )


@click.command("withdraw")
@_DATE
@click.option("--reason", required=True, help="Why; it stays on record.")
def withdraw_draw(*, draw_date: datetime, reason: str) -> None:
    """Let the draw of a date not stand, so that its list can be built again and drawn from.

    For a list that was wrong. When only the prizes were, --redo of `run` keeps the list. What was
    recorded in PostHog stays there.

    \b
    Example:
      leadpipe draws withdraw 2026-11-20 --reason "the promotion began a day earlier"
    """
    settings = load_settings(DrawsSettings)
    with open_warehouse(settings).connect() as connection:
        with transaction(connection, "participants"):
            draw = register.withdraw(connection, draw_date.date(), reason)
        publish_tables(connection, settings.published_dir)
    console.print(f"{draw.draw_id} is withdrawn")


@click.command()
@_DATE
def record(*, draw_date: datetime) -> None:
    """Send the results of a date's draw to PostHog, as far as they are not there yet.

    \b
    Example:
      leadpipe draws record 2026-11-20
    """
    _record(load_settings(DrawsSettings), draw_date.date())


def _record(settings: DrawsSettings, day: date) -> None:
    warehouse = open_warehouse(settings)
    try:
        with connect_posthog(settings) as posthog:
            report = record_draw(
                warehouse,
                posthog,
                lambda: connect_capture(settings),
                day,
                clock=lambda: datetime.now(UTC),
            )
    finally:
        with warehouse.connect() as connection:
            publish_tables(connection, settings.published_dir)
    notes.print(
        f"{report.draw_id}: {report.sent} of {report.places} results sent to PostHog now; all are there"
    )


@click.command()
@_DATE
@_PII
@format_options
def show(*, draw_date: datetime, show_pii: bool, output: str | None) -> None:
    """The draw of a date: its commitment, its winners, and those it superseded, with the reason.

    \b
    Examples:
      leadpipe draws show 2026-11-20
      leadpipe draws show 2026-11-20 --show-pii --csv
    """
    settings, day = load_settings(DrawsSettings), draw_date.date()
    known = reading.query(
        settings.published_dir,
        "SELECT draw_id, status, participants, total_entries, commitment, withdrawn_reason, frozen_at, "
        "drawn_at FROM draws WHERE draw_date = $day ORDER BY attempt",
        {"day": day},
    )
    if not known.rows:
        raise UnknownDraw(f"There is no draw of {day} yet")
    if output is None:
        for one in known.as_dicts():
            for name, value in one.items():
                if value is not None:
                    said = (
                        f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else value
                    )
                    console.print(f"{name.replace('_', ' ')}: {said}", markup=False, soft_wrap=True)
            console.print()
    if not show_pii:
        _print_draw(settings, day, output)
        return
    with open_warehouse(settings).connect() as connection:
        rows = rows_of(
            connection.execute(
                "SELECT prize_tier_id, prize_tier_name, prize_value, is_runner_up, rank, msisdn, "
                "draw_winners.entries, recorded_at, draw_id "
                "FROM draw_winners JOIN draws USING (draw_id, draw_date) "
                "WHERE draw_date = ? AND status = 'drawn' ORDER BY is_runner_up, prize_tier_id, rank",
                [day],
            )
        )
    _emit_winners(rows, output, day)


def _build_if_missing(
    connection: duckdb.DuckDBPyConnection, settings: DrawsSettings, day: date
) -> None:
    if not built(connection, day).participants:
        build_list(connection, settings, day)


def _prizes_path(settings: DrawsSettings, given: Path | None) -> Path:
    path = given or settings.prizes_file
    if path is None:
        raise ConfigurationError("Say which prizes: --prizes prizes.toml, or LEADPIPE_PRIZES_FILE")
    return path
