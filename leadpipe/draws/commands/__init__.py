"""`leadpipe draws`: the group; its commands are in the other modules `draw_*`."""

import click

from leadpipe.draws.commands.blacklist import blacklist
from leadpipe.draws.commands.cohort import cohort
from leadpipe.draws.commands.evidence import export, proof, verify
from leadpipe.draws.commands.lists import changes, entries, participants
from leadpipe.draws.commands.runs import freeze, record, run_draw, show, withdraw_draw


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


COMMANDS = (draws,)
