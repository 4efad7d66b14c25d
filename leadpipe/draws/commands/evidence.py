"""`leadpipe draws verify`, `export` and `proof`."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from leadpipe.cli.output import console, notes
from leadpipe.connections import open_warehouse
from leadpipe.draws import register
from leadpipe.draws.blacklist import read_msisdn
from leadpipe.draws.hashing import canonical_json
from leadpipe.draws.settings import DrawsSettings
from leadpipe.draws.verify import is_proof, verify_evidence, verify_proof
from leadpipe.errors import ConfigurationError, UnknownDraw
from leadpipe.settings import load_settings

_DATE = click.argument("draw_date", metavar="DATE", type=click.DateTime(formats=["%Y-%m-%d"]))


@click.command()
@click.argument("what", metavar="DATE|FILE")
@click.option("--commitment", help="As it was published before the draw.")
@click.option("--msisdn", help="With a participant's proof: the number it is for.")
def verify(*, what: str, commitment: str | None, msisdn: str | None) -> None:
    """Check a draw's evidence, or a participant's proof; a file needs no warehouse. Ends with 1 if wrong.

    Everything is computed again: hashes, the tree, the seed, every ticket drawn.

    \b
    Examples:
      leadpipe draws verify 2026-11-20
      leadpipe draws verify evidence.json
      leadpipe draws verify proof.json --msisdn 08031234567
    """
    path = Path(what)
    if path.is_file():
        content = path.read_bytes()
    else:
        try:
            day = date.fromisoformat(what)
        except ValueError:
            raise ConfigurationError(f"{what} is neither a file nor a date (2026-11-20)") from None
        with open_warehouse(load_settings(DrawsSettings)).connect() as connection:
            draw = register.draw_known(connection, day)
        if draw.evidence is None:
            raise UnknownDraw(f"{draw.draw_id} is frozen, but was not drawn yet")
        content, commitment = draw.evidence, commitment or draw.commitment
    if is_proof(content):
        if msisdn is None:
            raise ConfigurationError(f"{what} is a participant's proof: add their --msisdn")
        number = read_msisdn(msisdn, region=load_settings(DrawsSettings).phone_region)
        proof = verify_proof(content, number, commitment=commitment)
        console.print(
            f"Valid: {proof.entries:,} of {proof.announcement['total_entries']:,} entries of "
            f"{proof.announcement['draw_id']}, commitment {proof.commitment}",
            soft_wrap=True,
        )
        return
    proved = verify_evidence(content, commitment=commitment)
    console.print(
        f"Valid: {proved.announcement['draw_id']}, {len(proved.draws)} places among "
        f"{proved.announcement['participants']:,} participants, commitment {proved.commitment}",
        soft_wrap=True,
    )
    if "rules" in proved.announcement:
        notes.print(rules_line(proved.announcement["rules"]), markup=False)
    if commitment is None:
        notes.print("Compare this commitment with the one that was published before the draw.")


_OUT = click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file, not to stdout."
)


def rules_line(rules: Mapping[str, Any]) -> str:
    """The rules of a list, for people: its day, its zones, what counted."""
    start = rules["promotion_start"] or "the first recharge"
    return (
        f"The date begins at {rules['begins_at']} ({rules['draw_timezone']}); times without an offset are "
        f"{rules['naive_timezone']}; recharges from {start} on, at most "
        f"{rules['max_recharge_naira']:,} naira, a point for {rules['naira_per_point']:,}; "
        f"numbers of {rules['phone_region']} by {rules['phone_numbers']}; "
        f"{rules['blacklisted']:,} blacklisted"
    )


@click.command()
@_DATE
@_OUT
def export(*, draw_date: datetime, out: Path | None) -> None:
    """The evidence of a draw; before it was drawn its announcement, which hashes to the commitment.

    Neither holds an MSISDN. What is written must not be changed by a byte, or it no longer verifies.

    \b
    Example:
      leadpipe draws export 2026-11-20 --out evidence.json
    """
    with open_warehouse(load_settings(DrawsSettings)).connect() as connection:
        draw = register.draw_known(connection, draw_date.date())
    _write(draw.evidence or canonical_json(draw.announcement), out)


@click.command()
@_DATE
@click.argument("msisdn")
@_OUT
def proof(*, draw_date: datetime, msisdn: str, out: Path | None) -> None:
    """The proof of one participant's entries, for them alone: their salt, and their path to the root.

    It holds no MSISDN, theirs or anybody's.

    \b
    Example:
      leadpipe draws proof 2026-11-20 08031234567 --out proof.json
    """
    settings = load_settings(DrawsSettings)
    number = read_msisdn(msisdn, region=settings.phone_region)
    with open_warehouse(settings).connect() as connection:
        content = register.proof(connection, draw_date.date(), number)
    _write(content, out)


def _write(content: bytes, out: Path | None) -> None:
    if out is None:
        click.echo(content, nl=False)
        return
    out.write_bytes(content)
    notes.print(f"Wrote {out}", markup=False)
