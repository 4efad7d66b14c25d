"""`leadpipe draws`: the group; its commands are in the other modules `draw_*`."""

import click

from leadpipe.cli.draw_blacklist import blacklist
from leadpipe.cli.draw_cohort import cohort
from leadpipe.cli.draw_evidence import export, proof, verify
from leadpipe.cli.draw_lists import changes, entries, participants
from leadpipe.cli.draw_runs import freeze, record, run_draw, show, withdraw_draw


@click.group()
def draws() -> None:
    """Draws that anyone can verify: who takes part, the cohort, the draw, its evidence."""


for command in (
    participants,
    entries,
    changes,
    blacklist,
    cohort,
    freeze,
    run_draw,
    record,
    withdraw_draw,
    show,
    verify,
    export,
    proof,
):
    draws.add_command(command)
