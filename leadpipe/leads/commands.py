"""`leadpipe leads`: list, show, status, note, try-scores."""

import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click

from leadpipe.cli.output import console, emit, format_options, print_json, print_table
from leadpipe.connections import open_warehouse
from leadpipe.leads.leads import STATUSES, LeadStatus, add_edit, find_lead
from leadpipe.leads.scores import load_rules
from leadpipe.leads.settings import LeadsSettings
from leadpipe.published import reading
from leadpipe.published.tables import publish_tables
from leadpipe.settings import load_settings
from leadpipe.warehouse import transaction


@click.group()
def leads() -> None:
    """Who wants which listing: list leads, show one, change its status, add notes."""


@leads.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only leads of this status.")
@click.option("--listing", help="Only leads on this listing.")
@click.option("--min-score", type=int, default=0, help="Only leads with at least this score.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Rows.")
@format_options
def list_leads(
    *, status: str | None, listing: str | None, min_score: int, limit: int, output: str | None
) -> None:
    """Leads over all runs, a row per listing (or profile) and seeker; the latest action first.

    \b
    Examples:
      leadpipe leads list --status new --min-score 50
      leadpipe leads list --listing listing-123 --csv
    """
    rows = reading.query(
        load_settings(LeadsSettings).published_dir,
        "SELECT lead_id, coalesce(listing_id, 'profile ' || lister_id) AS listing, seeker_id, "
        "lead_score, total_actions, status, last_action_type, first_action_at, last_action_at, "
        "last_utm_source FROM grouped_leads "
        "WHERE ($status IS NULL OR status = $status) AND ($listing IS NULL OR listing_id = $listing) "
        "AND lead_score >= $min_score ORDER BY last_action_at DESC, lead_id LIMIT $limit",
        {"status": status, "listing": listing, "min_score": min_score, "limit": limit},
    )
    emit(rows, output, title="Leads", empty="No such lead.", without=("first_action_at",))


@leads.command("show")
@click.argument("lead")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_lead(*, lead: str, as_json: bool) -> None:
    """One lead: every action with the points it gave, status, notes, first and last touch.

    LEAD is an id, the start of one, or LISTING_SEEKER.

    \b
    Examples:
      leadpipe leads show 1f0c
      leadpipe leads show listing-123_seeker-456
    """
    folder = load_settings(LeadsSettings).published_dir
    lead_id = find_lead(lambda sql, values: reading.query(folder, sql, values).rows, lead)
    found = reading.query(
        folder, "SELECT * FROM grouped_leads WHERE lead_id = $id", {"id": lead_id}
    )
    record = found.as_dicts()[0]
    actions = json.loads(str(record.pop("lead_actions")))
    comments = json.loads(str(record.pop("notes")))
    if as_json:
        whole = {**record, "lead_actions": actions, "notes": comments}
        print_json(whole)
        return
    print_table(("", ""), [(k, v) for k, v in record.items() if v is not None], title="Lead")
    columns = ("timestamp", "action_type", "message_type", "points")
    console.print()
    print_table(columns, [[action.get(c) for c in columns] for action in actions], title="Actions")
    if comments:
        console.print()
        notes_table = [[note["at"], note["author"], note["text"]] for note in comments]
        print_table(("at", "author", "note"), notes_table, title="Notes")


_AUTHOR = click.option("--author", default=getpass.getuser, help="Who says so. Default: you.")


@leads.command("status")
@click.argument("lead")
@click.argument("status", type=click.Choice(STATUSES))
@_AUTHOR
def change_status(*, lead: str, status: LeadStatus, author: str) -> None:
    """Change a lead's status; no later run, backfill or rebuild loses it.

    \b
    Example:
      leadpipe leads status listing-123_seeker-456 contacted
    """
    lead_id = _edit(lead, "status", status, author)
    console.print(f"{lead_id} is {status}")


@leads.command("note")
@click.argument("lead")
@click.argument("text")
@_AUTHOR
def add_note(*, lead: str, text: str, author: str) -> None:
    """Add a note to a lead; no later run, backfill or rebuild loses it.

    \b
    Example:
      leadpipe leads note 1f0c "Wants to see the house on Saturday"
    """
    lead_id = _edit(lead, "note", text, author)
    console.print(f"Noted on {lead_id}")


def _edit(lead: str, kind: Literal["status", "note"], value: str, author: str) -> str:
    settings = load_settings(LeadsSettings)
    rules = load_rules(settings.scores_path)
    with open_warehouse(settings).connect() as connection:
        lead_id = find_lead(lambda sql, values: connection.execute(sql, values).fetchall(), lead)
        with transaction(connection):
            add_edit(
                connection,
                lead_id,
                kind=kind,
                value=value,
                author=author,
                now=datetime.now(UTC),
                rules=rules,
            )
        publish_tables(connection, settings.published_dir)
    return lead_id


@leads.command("try-scores")
@click.argument("rules_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Rows.")
@format_options
def try_scores(*, rules_file: Path, limit: int, output: str | None) -> None:
    """Score stored leads by new rules without using them; the largest changes first.

    \b
    Example:
      leadpipe leads try-scores scores-2027.toml
    """
    rules = load_rules(rules_file)
    rows = reading.query(
        load_settings(LeadsSettings).published_dir,
        """
        WITH points(lead_type, points) AS (
            SELECT unnest($types::VARCHAR[]), unnest($points::INTEGER[])
        ),
        actions AS (
            SELECT lead_id, lead_score, unnest(CAST(lead_actions AS JSON[])) AS action
            FROM grouped_leads
        )
        SELECT lead_id, any_value(lead_score) AS score, CAST(sum(points) AS INTEGER) AS new_score,
               new_score - score AS change
        FROM actions JOIN points ON lead_type = coalesce(
            action ->> 'message_type', replace(action ->> 'action_type', 'lead_', '')
        )
        GROUP BY lead_id ORDER BY abs(change) DESC, lead_id LIMIT $limit
        """,
        {"types": list(rules.points), "points": list(rules.points.values()), "limit": limit},
    )
    emit(rows, output, title=f"Scores by {rules.version}", empty="No leads yet.")


COMMANDS = (leads,)
