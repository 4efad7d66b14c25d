"""`leadpipe inbox`: what could not be used. `leadpipe webhook`: a secret; what only it brought."""

import json
from datetime import UTC, datetime

import click

from leadpipe.cli.output import console, emit, format_options, notes
from leadpipe.connections import open_warehouse
from leadpipe.errors import LeadpipeError
from leadpipe.events.unconfirmed import mark_seen
from leadpipe.inbox.connecting import open_inbox, webhook_reader
from leadpipe.inbox.settings import InboxSettings
from leadpipe.published import reading
from leadpipe.published.tables import publish_tables
from leadpipe.settings import Settings, load_settings
from leadpipe.warehouse import Rows, transaction
from leadpipe.web.signing import fresh_secret

_MOST = 10_000


@click.group()
def inbox() -> None:
    """Webhook events that wait, and those that could not be used."""


@inbox.command()
@format_options
def status(*, output: str | None) -> None:
    """How many events wait for the warehouse, since when, and how many could not be read.

    \b
    Example:
      leadpipe inbox status
    """
    state = open_inbox(load_settings(InboxSettings)).state()
    columns = ("waiting", "oldest_at", "dead_letters", "received", "duplicates", "last_received_at")
    rows = (tuple(getattr(state, column) for column in columns),)
    words = tuple("could not be read" if each == "dead_letters" else each for each in columns)
    shown = Rows(words if output is None else columns, rows)
    emit(shown, output, title="Inbox", drop=("duplicates", "received"))


@inbox.command("dead")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Rows.")
@format_options
def dead_letters(*, limit: int, output: str | None) -> None:
    """What could not be read, the latest first, and why. Contents with --json or --csv.

    \b
    Examples:
      leadpipe inbox dead
      leadpipe inbox dead --json --limit 1
    """
    letters = open_inbox(load_settings(InboxSettings)).dead_letters(limit=limit)
    rows = tuple((each.number, each.received_at, each.reason, each.content) for each in letters)
    emit(
        Rows(("number", "received_at", "reason", "content"), rows),
        output,
        title="Could not be read",
        empty="Everything could be read.",
        without=("content",),
    )


@inbox.command()
@click.argument("numbers", nargs=-1, type=int)
def retry(*, numbers: tuple[int, ...]) -> None:
    """Read again what could not be read, all or some, after the mapping or leadpipe was corrected.

    What is readable now waits for the warehouse; the rest stays as it is.

    \b
    Examples:
      leadpipe inbox retry
      leadpipe inbox retry 17 18
    """
    settings = load_settings(InboxSettings)
    box = open_inbox(settings)
    now = datetime.now(UTC)
    reader = webhook_reader(settings, now=now)
    read_again = 0
    for letter in box.dead_letters(limit=_MOST):
        if numbers and letter.number not in numbers:
            continue
        try:
            payload = reader.read(letter.content.encode(), now=now)
        except LeadpipeError:
            continue
        if payload.deliveries and not payload.problems:
            box.add([payload], now=now)
            box.forget_dead_letters([letter.number])
            read_again += 1
    console.print(f"{read_again} read again, {box.state().dead_letters} cannot be read still.")


@inbox.command()
@click.argument("numbers", nargs=-1, type=int, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def forget(*, numbers: tuple[int, ...], as_json: bool) -> None:
    """Remove what could not be read for good, by its numbers.

    \b
    Example:
      leadpipe inbox forget 17 18
    """
    count = open_inbox(load_settings(InboxSettings)).forget_dead_letters(numbers)
    if as_json:
        click.echo(json.dumps({"forgotten": count}))
    else:
        console.print(f"{count} removed.")


@click.group()
def webhook() -> None:
    """A secret for PostHog's webhook; what only it brought."""


@webhook.command()
def secret() -> None:
    """Print a fresh secret that PostHog can send as a header and sign with, and where to put it.

    Nothing is changed: only the secret goes to the output, what to do with it to the screen.

    \b
    Example:
      leadpipe webhook secret
    """
    click.echo(fresh_secret())
    notes.print(
        "1. Here: put it into .env as POSTHOG_WEBHOOK_SECRET, and start the page again.\n"
        "2. In PostHog, at the HTTP Webhook destination: as its signing secret, or as a header "
        "Authorization with the value Bearer and the secret.",
        markup=False,
    )


@webhook.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Rows.")
@format_options
def unconfirmed(*, limit: int, output: str | None) -> None:
    """Events that only the webhook brought and PostHog does not have: they count nowhere; the latest first.

    A test of the destination is one. Others were forged, or deleted in PostHog before a sync read them.

    \b
    Examples:
      leadpipe webhook unconfirmed
      leadpipe webhook unconfirmed --csv
    """
    rows = reading.query(
        load_settings(Settings).published_dir,
        "SELECT event, event_date, arrived_at, set_aside_at, seen_at, uuid FROM unconfirmed_events "
        "ORDER BY set_aside_at DESC, uuid LIMIT $limit",
        {"limit": limit},
    )
    emit(
        rows,
        output,
        title="Unconfirmed events",
        empty="PostHog has everything its webhook brought.",
        drop=("seen_at", "arrived_at", "uuid"),
    )


@webhook.command()
def seen() -> None:
    """Note that somebody has looked at the unconfirmed events: nothing warns of them any more.

    \b
    Example:
      leadpipe webhook seen
    """
    settings = load_settings(Settings)
    with open_warehouse(settings).connect() as connection:
        with transaction(connection, "door"):
            count = mark_seen(connection, now=datetime.now(UTC))
        publish_tables(connection, settings.published_dir)
    console.print(f"{count} unconfirmed events noted as seen.")


COMMANDS = (inbox, webhook)
