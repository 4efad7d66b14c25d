"""`leadpipe reconcile`: a plan of what is on both sides, and nothing sent that was not asked for."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from leadpipe.cli.output import console, emit, notes, print_json
from leadpipe.delivery.connecting import connect_partner, delivery_place
from leadpipe.delivery.fields import checked_fields
from leadpipe.delivery.lead import CHANNELS
from leadpipe.delivery.periods import since as period
from leadpipe.delivery.reconciling import Reconciliation
from leadpipe.delivery.sending import deliver_now, delivered_counts
from leadpipe.delivery.service import reconcile as compare
from leadpipe.delivery.service import send_again
from leadpipe.delivery.settings import DeliverySettings
from leadpipe.delivery.spreadsheets import read_partner_csv
from leadpipe.settings import load_settings
from leadpipe.warehouse import Rows

_MOST_SHOWN = 1_000
_COLUMNS = ("kind", "id", "npa_lead_id", "fields", "reason")


@click.command()
@click.option("--since", metavar="PERIOD", help="24h, 7d, 30d, or a date. Default: everything.")
@click.option("--channel", type=click.Choice(CHANNELS), help="Only this channel.")
@click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), help="A CSV the partner sent."
)
@click.option(
    "--fix",
    is_flag=True,
    help="Ask the partner about each lead that is missing, show the plan, and send what you say yes to.",
)
@click.option("--yes", is_flag=True, help="With --fix: send without asking you.")
@click.option("--all", "is_all", is_flag=True, help="Show the leads that match, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reconcile(
    *,
    since: str | None,
    channel: str | None,
    file: Path | None,
    fix: bool,
    yes: bool,
    is_all: bool,
    as_json: bool,
) -> None:
    """Compare delivered leads with the partner's list: matched, missing, unknown, different, undecided.

    Nothing is sent without --fix, and then only what the partner does not have when asked about that lead.
    A CSV without any of our leads, or of another period, is refused.

    \b
    Examples:
      leadpipe reconcile --since 24h
      leadpipe reconcile --since 30d --file partner.csv
      leadpipe reconcile --since 24h --fix --yes
    """
    settings = load_settings(DeliverySettings)
    now = datetime.now(UTC)
    theirs = None
    if file is not None:
        fields = checked_fields(settings.npa_fields)
        theirs = read_partner_csv(file, fields=fields, zone=settings.npa_timezone)
    partner = None if file is not None and not fix else connect_partner(settings)
    place = delivery_place(settings)
    try:
        found = compare(
            place,
            partner,
            since=period(since, now=now),
            until=now,
            channel=channel,
            file=theirs,
            is_asking=fix,
            settle=timedelta(seconds=settings.npa_settle_seconds),
            clock=lambda: datetime.now(UTC),
        )
    finally:
        if partner is not None:
            partner.close()
    ids = _confirmed(found, is_confirmed=yes, as_json=as_json) if fix else []
    again = send_again(place, ids, now=datetime.now(UTC)) if ids else 0
    if again and as_json:
        counts, _ = delivered_counts(settings, ids)
        _show(found, again, is_all=is_all, as_json=True, delivered=counts)
        return
    _show(found, again, is_all=is_all, as_json=as_json)
    if again:
        deliver_now(settings, ids, as_json=False)
    elif found.missing and not fix:
        notes.print(
            f"{len(found.missing)} leads are missing there; `leadpipe reconcile --fix` asks the partner "
            "about each, and you about all, before it sends them again."
        )


def _confirmed(found: Reconciliation, *, is_confirmed: bool, as_json: bool) -> list[int]:
    """What is missing, after a person has seen the plan and said yes."""
    ids = found.missing
    if not ids or is_confirmed:
        return ids
    if not as_json:
        _show(found, 0, is_all=False, as_json=False)
    question = f"The partner does not have {len(ids)} leads. Send them again?"
    if click.confirm(question, err=True):
        return ids
    notes.print("Nothing was sent.")
    return []


def _show(
    found: Reconciliation,
    again: int,
    *,
    is_all: bool,
    as_json: bool,
    delivered: Mapping[str, object] | None = None,
) -> None:
    counts: dict[str, object] = {
        "ours": found.ours,
        "theirs": found.theirs,
        "matched": found.matched,
        "missing_there": found.count("missing"),
        "unknown_here": found.count("unknown"),
        "different": found.count("different"),
        "there_twice": found.count("duplicated"),
        "undecided": found.count("undecided"),
        "put_back": again,
    }
    shown = found.plan if is_all else found.findings
    shown = tuple(sorted(shown, key=lambda each: (each.kind, each.id or 0, each.npa_lead_id or "")))
    if as_json:
        findings = [asdict(each) for each in shown]
        more = {"delivered": delivered} if delivered is not None else {}
        print_json({**counts, **more, "notes": found.notes, "findings": findings})
        return
    emit(Rows(tuple(counts), (tuple(counts.values()),)), None, title="Reconciliation")
    if shown:
        console.print()
        rows = [
            (each.kind, each.id, each.npa_lead_id, ", ".join(each.fields) or None, each.reason)
            for each in shown[:_MOST_SHOWN]
        ]
        emit(Rows(_COLUMNS, tuple(rows)), None, title="Plan" if is_all else "Findings")
    if shown[_MOST_SHOWN:]:
        notes.print(f"{len(shown) - _MOST_SHOWN} more; --json shows all.")
    for note in found.notes:
        notes.print(note)
