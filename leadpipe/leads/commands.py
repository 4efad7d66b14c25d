"""`leadpipe leads`: list, show, status, note, undo, try-scores."""

import getpass
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from leadpipe.cli.output import (
    console,
    emit,
    exact_option,
    format_options,
    notes,
    print_json,
    print_table,
)
from leadpipe.durations import duration
from leadpipe.errors import LeadpipeError
from leadpipe.leads.book import LeadBook, LeadHistory
from leadpipe.leads.edits import STATUSES, Change, Edit, Kind, LeadStatus, kept_edits
from leadpipe.leads.scores import load_rules
from leadpipe.leads.settings import LeadsSettings
from leadpipe.leads.timeline import action_words
from leadpipe.published import reading
from leadpipe.published.starts import whole_id
from leadpipe.settings import load_settings


@click.group()
def leads() -> None:
    """Who wants which listing: list leads, show one, change its status, add notes."""


@leads.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only leads of this status.")
@click.option("--listing", help="Only leads on this listing; an id, or the start of one.")
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
    with _book() as book, book.reading() as ask:
        if listing is not None:
            listing = whole_id(ask, "listings", "listing_id", listing)
        rows = ask(
            "SELECT lead_id, listing, seeker_id, lead_score, total_actions, status, last_action_type, "
            "first_action_at, last_action_at, last_utm_source FROM leads_now "
            "WHERE ($status IS NULL OR status = $status) AND ($listing IS NULL OR listing_id = $listing) "
            "AND lead_score >= $min_score ORDER BY last_action_at DESC, lead_id LIMIT $limit",
            {"status": status, "listing": listing, "min_score": min_score, "limit": limit},
        )
    emit(
        rows,
        output,
        title="Leads",
        empty="No such lead.",
        without=("first_action_at",),
        drop=("last_utm_source", "seeker_id", "total_actions", "last_action_type"),
    )


@leads.command("show")
@click.argument("lead")
@exact_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_lead(*, lead: str, as_json: bool) -> None:
    """One lead: every action with the points it gave, status, notes, first and last touch.

    LEAD is an id, the start of one, or LISTING_SEEKER, of which the starts will do.

    \b
    Examples:
      leadpipe leads show 1f0c
      leadpipe leads show listing-123_seeker-456
    """
    with _book() as book:
        history = book.history(book.find(lead))
    hidden = ("listing", "added_at")  # the book's own
    record = {name: value for name, value in history.lead.items() if name not in hidden}
    actions = [
        {name: value for name, value in action.items() if name not in ("at", "run_id")}
        for action in history.actions
    ]
    comments = json.loads(str(record.pop("notes")))
    if as_json:
        whole = {**record, "lead_actions": actions, "notes": comments}
        print_json(whole)
        return
    print_table(("", ""), _facts(record), title="Lead")
    console.print()
    print_table(
        ("at", "action", "points", "utm_source"),
        [
            [action["at"], action_words(action), action.get("points"), action.get("utm_source")]
            for action in history.actions
        ],
        title="Actions",
        drop=("utm_source",),
    )
    if comments:
        console.print()
        notes_table = [
            [datetime.fromisoformat(note["at"]), note["author"], note["text"]] for note in comments
        ]
        print_table(("at", "author", "note"), notes_table, title="Notes")
    if history.edits:
        console.print()
        print_table(("at", "author", "change"), _changes(history), title="Changes")


_AUTHOR = click.option("--author", default=getpass.getuser, help="Who says so. Default: you.")


@leads.command("status")
@click.argument("lead")
@click.argument("status", type=click.Choice(STATUSES))
@_AUTHOR
def change_status(*, lead: str, status: LeadStatus, author: str) -> None:
    """Change a lead's status; no later run, backfill or rebuild loses it.

    It is kept at once, also while a sync has the warehouse, and in the tables after the next sync.

    \b
    Example:
      leadpipe leads status listing-123_seeker-456 contacted
    """
    edit = _change(lead, "status", status, author)
    console.print(f"{edit.lead_id} is {edit.value}")


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
    edit = _change(lead, "note", text, author)
    console.print(f"Noted on {edit.lead_id}")


@leads.command("undo")
@click.argument("lead")
@_AUTHOR
def undo_change(*, lead: str, author: str) -> None:
    """Take back the last change of a lead, status or note, as if it had not been made.

    \b
    Example:
      leadpipe leads undo listing-123_seeker-456
    """
    with _book() as book:
        history = book.history(book.find(lead))
        last = next(
            (
                edit
                for edit in reversed(book.edits.of(str(history.lead["lead_id"])))
                if edit.undoes is None and edit.edit_id not in history.undone
            ),
            None,
        )
        if last is None:
            raise LeadpipeError(f"Nobody has changed {history.lead['lead_id']} yet")
        [outcome] = book.edits.undo(author=author, now=datetime.now(UTC), edit_id=last.edit_id)
        if outcome.edit is None:
            raise LeadpipeError(f"The last change of {last.lead_id} was taken back meanwhile")
    what = f"is {outcome.edit.value} again" if last.kind == "status" else "has lost its last note"
    console.print(f"{last.lead_id} {what}")


@contextmanager
def _book() -> Iterator[LeadBook]:
    settings = load_settings(LeadsSettings)
    book = LeadBook(settings.published_dir, kept_edits(settings))
    try:
        yield book
    finally:
        book.close()


def _change(lead: str, kind: Kind, value: str, author: str) -> Edit:
    """Whoever types a command has seen no version: the change is made on whatever is there."""
    with _book() as book:
        lead_id = book.find(lead)
        published = book.published_status([lead_id]).get(lead_id)
        change = Change(str(uuid.uuid4()), lead_id, kind, value, published=published)
        [outcome] = book.edits.change([change], author=author, now=datetime.now(UTC))
    if outcome.edit is None:
        raise LeadpipeError(f"{lead_id} was not changed")
    if outcome.edit.replaced not in ("", "new"):
        notes.print(f"It was {outcome.edit.replaced}.")
    return outcome.edit


def _facts(record: Mapping[str, Any]) -> list[tuple[str, object]]:
    """What a person wants to know of a lead, as names and values; a version is for programs."""
    facts = {name: value for name, value in record.items() if value is not None}
    facts.pop("status_version", None)
    if (seconds := facts.pop("first_response_seconds", None)) is not None:
        facts["first_response"] = f"after {duration(seconds)}"
    return list(facts.items())


def _changes(history: LeadHistory) -> list[list[object]]:
    words = {
        "status": "called it {}",
        "note": "wrote a note",
        "erased": "wrote a note, erased since",
    }
    return [
        [
            edit.edited_at,
            edit.author,
            "took a change back"
            if edit.undoes
            else words[edit.kind].format(edit.value)
            + (" (taken back)" if edit.edit_id in history.undone else ""),
        ]
        for edit in history.edits
    ]


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
