"""`leadpipe draws blacklist`: add, remove, list, import."""

import getpass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click

from leadpipe.cli.output import console, emit, format_options
from leadpipe.connections import open_warehouse
from leadpipe.draws.blacklist import Block, add_blocks, end_block, read_msisdn
from leadpipe.draws.blacklist_files import blacklist_csv, read_blocks
from leadpipe.draws.msisdn import MASKED_SQL, masked
from leadpipe.draws.settings import DrawsSettings
from leadpipe.settings import load_settings
from leadpipe.warehouse import rows_of
from leadpipe.zones import day_in

_DAY = click.DateTime(formats=["%Y-%m-%d"])
_AUTHOR = click.option("--author", default=getpass.getuser, help="Who says so. Default: you.")
_BACKDATE = click.option(
    "--backdate", is_flag=True, help="History was different: change draw dates that have begun."
)


@click.group()
def blacklist() -> None:
    """Who may not take part in draws, from one draw date to another.

    \b
    Example:
      leadpipe draws blacklist add 08031234567 --reason "employee"
    """


def _tomorrow(now: datetime, settings: DrawsSettings) -> date:
    return day_in(settings.draw_timezone, now) + timedelta(days=1)


@blacklist.command()
@click.argument("msisdn")
@click.option("--from", "first", type=_DAY, help="First draw date. Default: tomorrow.")
@click.option("--until", "last", type=_DAY, help="Last draw date, inclusive. Default: for good.")
@click.option("--reason", default="", help="Why.")
@_BACKDATE
@_AUTHOR
def add(
    *,
    msisdn: str,
    first: datetime | None,
    last: datetime | None,
    reason: str,
    backdate: bool,
    author: str,
) -> None:
    """Block a number from draws; lists of draw dates that have begun stay as they are.

    \b
    Examples:
      leadpipe draws blacklist add 08031234567 --reason "employee"
      leadpipe draws blacklist add 08031234567 --from 2027-01-01 --until 2027-01-31
    """
    settings, now = load_settings(DrawsSettings), datetime.now(UTC)
    block = Block(
        read_msisdn(msisdn, region=settings.phone_region),
        first.date() if first else _tomorrow(now, settings),
        last.date() if last else None,
        reason,
    )
    with open_warehouse(settings).writing("participants") as connection:
        add_blocks(
            connection,
            [block],
            author=author,
            now=now,
            zone=settings.draw_timezone,
            is_backdated=backdate,
        )
    until = f"until {block.blocked_until}" if block.blocked_until else "for good"
    console.print(f"{masked(block.msisdn)} is blocked from {block.blocked_from} {until}")


@blacklist.command()
@click.argument("msisdn")
@click.option("--until", "last", type=_DAY, help="Last draw date it holds. Default: today.")
@_BACKDATE
@_AUTHOR
def remove(*, msisdn: str, last: datetime | None, backdate: bool, author: str) -> None:
    """Let a number take part again; what was true before stays on the list, with its last date.

    \b
    Example:
      leadpipe draws blacklist remove 08031234567
    """
    settings, now = load_settings(DrawsSettings), datetime.now(UTC)
    number = read_msisdn(msisdn, region=settings.phone_region)
    until = last.date() if last else day_in(settings.draw_timezone, now)
    with open_warehouse(settings).writing("participants") as connection:
        end_block(
            connection,
            number,
            until=until,
            author=author,
            now=now,
            zone=settings.draw_timezone,
            is_backdated=backdate,
        )
    console.print(f"{masked(number)} may take part again after {until}")


@blacklist.command("list")
@click.option("--on", "day", type=_DAY, help="Only those blocked on a draw date.")
@click.option("--show-pii", is_flag=True, help="Show MSISDNs in full.")
@format_options
def list_blocks(*, day: datetime | None, show_pii: bool, output: str | None) -> None:
    """All blocks, also those that have ended; the latest first.

    \b
    Examples:
      leadpipe draws blacklist list
      leadpipe draws blacklist list --on 2026-11-20 --show-pii --csv
    """
    with open_warehouse(load_settings(DrawsSettings)).connect() as connection:
        rows = rows_of(
            connection.execute(
                f"SELECT {'msisdn' if show_pii else MASKED_SQL} AS msisdn, blocked_from, blocked_until, "
                "reason, author, edited_at FROM blacklist WHERE $day IS NULL OR "
                "($day BETWEEN blocked_from AND coalesce(blocked_until, 'infinity'::DATE)) "
                "ORDER BY blocked_from DESC, blacklist.msisdn",
                {"day": day.date() if day else None},
            )
        )
    emit(
        rows,
        output,
        title="Blacklist",
        empty="Nobody is blocked.",
        drop=("edited_at", "author", "reason"),
    )


@blacklist.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_BACKDATE
@_AUTHOR
def import_blocks(*, file: Path, backdate: bool, author: str) -> None:
    """Add the blocks of a CSV file, all or none; those already there are not added again.

    Columns: msisdn, and where wanted blocked_from, blocked_until, reason, author, edited_at, as `blacklist
    export` writes them. For a list of the past, with its dates, add --backdate.

    \b
    Examples:
      leadpipe draws blacklist import blacklist.csv
      leadpipe draws blacklist import old-system.csv --backdate
    """
    settings, now = load_settings(DrawsSettings), datetime.now(UTC)
    blocks = read_blocks(file, region=settings.phone_region, default_from=_tomorrow(now, settings))
    with open_warehouse(settings).writing("participants") as connection:
        added = add_blocks(
            connection,
            blocks,
            author=author,
            now=now,
            zone=settings.draw_timezone,
            is_backdated=backdate,
        )
    console.print(f"{added:,} of {len(blocks):,} blocks added; the others were there")


@blacklist.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export_blocks(*, file: Path) -> None:
    """Write all blocks to a CSV file that `blacklist import` takes again, unchanged.

    It has MSISDNs in full, so it is readable by you alone.

    \b
    Example:
      leadpipe draws blacklist export blacklist.csv
    """
    with open_warehouse(load_settings(DrawsSettings)).connect() as connection:
        text = blacklist_csv(connection)
    file.touch(mode=0o600)
    file.write_bytes(text.encode())
    console.print(f"Wrote {file}", markup=False)
