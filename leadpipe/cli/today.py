"""`leadpipe today`: what is new, what waits for somebody and what moves; the morning message."""

from dataclasses import asdict
from datetime import UTC, datetime

import click

from leadpipe.cli.output import console, notes, print_json
from leadpipe.errors import LeadpipeError
from leadpipe.settings import load_settings
from leadpipe.today.message import day_text, paragraphs
from leadpipe.today.parts import Section
from leadpipe.today.reading import read_today
from leadpipe.today.telling import tell_morning


@click.command()
@click.option(
    "--send", is_flag=True, help="Tell those of LEADPIPE_ALERT_TO who were not told today."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def today(*, send: bool, as_json: bool) -> None:
    """Say what is new since yesterday: leads, visitors, listings that move, what needs a person.

    The same as the page Today and the message that comes at 8 in LEADPIPE_ALERT_TIMEZONE. It names no
    person. --send tells nobody twice on one day, whether a command or the schedule told it first.

    \b
    Examples:
      leadpipe today
      leadpipe today --send
    """
    settings = load_settings()
    now = datetime.now(UTC)
    said = read_today(settings, now=now)
    told = paragraphs(said)
    if as_json:
        print_json(
            {
                "now": now,
                "timezone": said.zone,
                "sections": [_shared(section) for section in said.sections],
                "lines": [asdict(line) for line in said.lines],
            }
        )
    else:
        console.print(day_text(said), style="bold")
        for paragraph in told or ["Nothing can be said yet. Run `leadpipe sync` first."]:
            console.print(f"• {paragraph}", markup=False, highlight=False)
    if not send:
        return
    if not told:
        raise LeadpipeError("Nothing was sent, as nothing can be said. Run `leadpipe sync` first.")
    sent = tell_morning(settings, now=now).sent
    if not (sent.told or sent.before or sent.problems):
        raise LeadpipeError("Nobody is to be told: LEADPIPE_ALERT_TO is not set.")
    notes.print(f"Told {sent.told} now; {sent.before} had it already.")
    if sent.problems:
        raise LeadpipeError("; ".join(sent.problems))


def _shared(section: Section) -> dict[str, object]:
    """A section without the rows that name people."""
    rows = [asdict(row) for row in section.rows if row.said]
    return {name: value for name, value in asdict(section).items() if name != "mark"} | {
        "rows": rows
    }


COMMANDS = (today,)
