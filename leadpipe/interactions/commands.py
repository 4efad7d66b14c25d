"""`leadpipe sync-leads` and `leadpipe validate-leads`."""

from collections.abc import Mapping
from copy import copy
from datetime import UTC, datetime
from pathlib import Path

import click

from leadpipe.cli.output import console, emit, notes, print_json, print_table
from leadpipe.connections import open_warehouse
from leadpipe.interactions.history import enter_if_free
from leadpipe.interactions.merging import Addition
from leadpipe.interactions.reading import Source
from leadpipe.interactions.replacing import read_file
from leadpipe.interactions.schema import FIELDS, time_text
from leadpipe.interactions.settings import InteractionsSettings
from leadpipe.interactions.syncing import SyncReport
from leadpipe.interactions.tenant_sync import sync_leads
from leadpipe.interactions.validation import validate
from leadpipe.settings import load_settings
from leadpipe.warehouse import Rows

FINDINGS = 3  # the exit code of a command that did its work and has something to tell


@click.command("sync-leads")
@click.option("--tenant", required=True, help="The tenant, as the events name it.")
@click.option("--program-id", required=True, help="The program, as the events name it.")
@click.option("--project-id", help="PostHog project. Default: POSTHOG_PROJECT_ID.")
@click.option("--dry-run", is_flag=True, help="Print what would be added; write nothing.")
@click.option(
    "--days", default=30, show_default=True, type=click.IntRange(1, 3_650), help="How far back."
)
@click.option(
    "--source",
    type=click.Choice(["auto", "warehouse", "posthog"]),
    default="auto",
    show_default=True,
    help="Where events are read; auto takes the warehouse when it is fresh.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def sync_leads_command(
    *,
    tenant: str,
    program_id: str,
    project_id: str | None,
    dry_run: bool,
    days: int,
    source: Source,
    as_json: bool,
) -> None:
    """Merge staff contacts (LeadUpdated events) into a tenant's leads file.

    Adds to each lead the interactions its file does not have yet, and changes nothing else in it. The
    file is tenants/<tenant>/leads.json in the data folder, or where LEADPIPE_LEADS_FILE says.

    Ends with 0 if every event is in the file, with 3 if some are unmatched or rejected (the others were
    added), with 1 after an error and 2 after a wrong option (the file is as it was).

    \b
    Examples:
      leadpipe sync-leads --tenant healingemeraldwellness --program-id hew-massage-therapy
      leadpipe sync-leads --tenant healingemeraldwellness --program-id hew-massage-therapy --dry-run
    """
    settings = load_settings(
        InteractionsSettings, **({"posthog_project_id": project_id} if project_id else {})
    )
    report = sync_leads(
        settings,
        tenant,
        program_id,
        now=datetime.now(UTC),
        days=days,
        source=source,
        is_dry_run=dry_run,
    )
    if as_json:
        print_json(_as_json(report))
    else:
        _print(report)
    if report.note:
        notes.print(report.note, markup=False)
    if not dry_run:
        waiting = enter_if_free(
            settings.sync_records_dir, open_warehouse(settings), settings.published_dir
        )
        if waiting:
            notes.print(waiting, markup=False)
    if report.problems:
        raise click.exceptions.Exit(FINDINGS)


def _print(report: SyncReport) -> None:
    if report.additions:
        columns = ["", "lead", "time", "outcome", *(["notes"] if report.is_dry_run else [])]
        rows = [_added(addition, is_dry_run=report.is_dry_run) for addition in report.additions]
        title = "Would be added to" if report.is_dry_run else "Added to"
        print_table(columns, rows, title=f"{title} {report.file}")
    if report.problems:
        print_table(
            ["event", "lead", "result", "reason"],
            [[one.uuid, one.lead_id, one.result, one.reason] for one in report.problems],
            title="Not merged",
        )
    counts = report.counts
    verb = "would be added" if report.is_dry_run else "added"
    console.print(
        f"{report.events:,} events from {_SOURCES[report.source]} "
        f"(up to {report.read_until:%Y-%m-%d %H:%M} UTC): {counts['added']:,} {verb}, "
        f"{counts['already_there']:,} already there, {counts['unmatched']:,} unmatched, "
        f"{counts['rejected']:,} rejected.",
        soft_wrap=True,
    )
    if not report.additions:
        console.print(f"{report.file} is as it was.", markup=False, soft_wrap=True)


_SOURCES = {"warehouse": "the warehouse", "posthog": "PostHog"}


def _added(addition: Addition, *, is_dry_run: bool) -> list[object]:
    interaction = addition.interaction
    details = [interaction.get(name) for name in FIELDS if name != "notes"]
    row: list[object] = [
        "+",
        addition.lead_id,
        time_text(interaction.logged_at),
        ", ".join(filter(None, details)),
    ]
    return [*row, interaction.get("notes")] if is_dry_run else row


def _as_json(report: SyncReport) -> Mapping[str, object]:
    return {
        "tenant": report.tenant,
        "program_id": report.program_id,
        "file": str(report.file),
        "is_dry_run": report.is_dry_run,
        "source": report.source,
        "window_start": report.window_start.isoformat(),
        "read_until": report.read_until.isoformat(),
        "events": report.events,
        **report.counts,
        "additions": [
            {
                "lead_id": addition.lead_id,
                "uuid": addition.uuid,
                "interaction": dict(addition.interaction.fields()),
            }
            for addition in report.additions
        ],
        "problems": [
            {"uuid": one.uuid, "lead_id": one.lead_id, "result": one.result, "reason": one.reason}
            for one in report.problems
        ],
        "note": report.note,
    }


# The name in scripts that were written for the tool leadpipe comes from.
sync_posthog_leads = copy(sync_leads_command)
sync_posthog_leads.name = "sync-posthog-leads"
sync_posthog_leads.help = str(sync_leads_command.help).replace(
    "leadpipe sync-leads", f"leadpipe {sync_posthog_leads.name}"
)


@click.command("validate-leads")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def validate_leads(*, file: Path, as_json: bool) -> None:
    """Say what is wrong with a leads file, by JSON path.

    Ends with 0 if nothing is, with 3 if something is, with 1 if the file cannot be opened.

    \b
    Example:
      leadpipe validate-leads data/tenants/healingemeraldwellness/leads.json
    """
    problems = validate(read_file(file).data)
    rows = Rows(("path", "problem"), tuple((path, message) for path, message in problems))
    emit(
        rows,
        "json" if as_json else None,
        title=f"{len(problems)} problems in {file}",
        empty=f"Nothing is wrong with {file}.",
    )
    if problems:
        raise click.exceptions.Exit(FINDINGS)


COMMANDS = (sync_leads_command, sync_posthog_leads, validate_leads)
