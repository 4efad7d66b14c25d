"""`leadpipe deliver`, `failed`, `succeeded`: leads on their way to the partner.

`reconcile` and `delivery` are in `reconcile_command.py` and `delivery_command.py`.
"""

import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from leadpipe.cli.output import console, emit, exact_option, format_options, notes
from leadpipe.delivery import lists
from leadpipe.delivery.connecting import delivery_place
from leadpipe.delivery.delivery_command import delivery
from leadpipe.delivery.fields import checked_fields, sent_fields
from leadpipe.delivery.handovers import HandOvers
from leadpipe.delivery.intake import problem_of, take_in_leads
from leadpipe.delivery.lead import CHANNELS
from leadpipe.delivery.masking import scrubbed
from leadpipe.delivery.periods import since as period
from leadpipe.delivery.reading import UnreadableJson, items_of
from leadpipe.delivery.reconcile_command import reconcile
from leadpipe.delivery.sending import NUMBER, deliver_now
from leadpipe.delivery.service import settle as settle_lead
from leadpipe.delivery.settings import DeliverySettings
from leadpipe.delivery.settling import Decision
from leadpipe.errors import ConfigurationError, UnknownLead
from leadpipe.published.tables import publish_tables
from leadpipe.settings import load_settings
from leadpipe.warehouse import Rows

_SHOWN = ("vehicle_make", "vehicle_model", "vehicle_year", "zip_code", "last_retry_at", "resolved")
_SINCE = click.option(
    "--since", metavar="PERIOD", help="24h, 7d, 30d, or a date. Default: everything."
)
_CHANNEL = click.option("--channel", type=click.Choice(CHANNELS), help="Only this channel.")
_PHONE = click.option("--phone", help="Only leads with this phone number, in any spelling.")
_EMAIL = click.option("--email", help="Only leads with this email address.")
_PII = click.option("--show-pii", is_flag=True, help="Names, phones and emails in full.")


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def deliver(*, file: Path | None, as_json: bool) -> None:
    """Deliver what is due to the partner, and first hand over the leads of FILE.json.

    FILE has one lead or a list of them: channel, session_id, full_name, phone, email, zip_code,
    vehicle_make, vehicle_model, vehicle_year. A lead is delivered once, however often its file is given.

    \b
    Examples:
      leadpipe deliver
      leadpipe deliver leads.json
    """
    settings = load_settings(DeliverySettings)
    place = delivery_place(settings)
    if file is not None:
        items = _leads_of(file)
        with place.warehouse.writing("delivery") as connection:
            report, _ = take_in_leads(
                connection,
                items,
                source="file",
                region=settings.lead_phone_region,
                now=datetime.now(UTC),
                sent=place.sent,
            )
        with place.warehouse.connect() as connection:
            publish_tables(connection, settings.published_dir)
        notes.print(
            f"{report.new} leads kept, {report.duplicate} were known, {report.invalid} are invalid "
            "(see `leadpipe failed list`)"
        )
    if settings.npa_api_url is None and file is not None:
        notes.print("NPA_API_URL is not set; the leads wait in the outbox.")
        return
    deliver_now(settings, None, as_json=as_json)


@click.group()
def failed() -> None:
    """Leads that were not delivered: list, show, retry."""


@failed.command("list")
@click.option("--all", "is_all", is_flag=True, help="Also those delivered meanwhile.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="Rows.")
@_PHONE
@_EMAIL
@_PII
@format_options
def list_failed(
    *,
    is_all: bool,
    limit: int,
    phone: str | None,
    email: str | None,
    show_pii: bool,
    output: str | None,
) -> None:
    """Undelivered leads, the oldest first, with the error and the time of the next attempt.

    \b
    Examples:
      leadpipe failed list
      leadpipe failed list --all --csv
    """
    settings = load_settings(DeliverySettings)
    rows = lists.failed_leads(
        settings.published_dir,
        is_all=is_all,
        who=lists.person(phone, email, settings.lead_phone_region),
        region=settings.lead_phone_region,
        show_pii=show_pii,
        limit=limit,
    )
    without = _SHOWN if output is None else ()
    emit(
        rows,
        output,
        title="Failed leads",
        empty="No failed lead.",
        without=without,
        drop=("session_id", "email", "created_at", "phone", "full_name", "retry_count", "channel"),
    )
    if count := len(HandOvers(settings.hand_overs_path).aside()):
        notes.print(f"{count} of what came over HTTP is set aside: `leadpipe failed aside`.")


@failed.command("aside")
@click.option("--forget", is_flag=True, help="Forget them, after having shown them.")
@_PII
@format_options
def show_aside(*, forget: bool, show_pii: bool, output: str | None) -> None:
    """What came over HTTP and could not be taken, each with its reason; nothing waits behind it.

    \b
    Examples:
      leadpipe failed aside
      leadpipe failed aside --show-pii --json
    """
    store = HandOvers(load_settings(DeliverySettings).hand_overs_path)
    columns = ("number", "kind", "received_at", "reason", *(("content",) if show_pii else ()))
    rows = [
        (each.number, each.kind, each.received_at, scrubbed(each.reason, {}))
        + ((each.content,) if show_pii else ())
        for each in store.aside()
    ]
    emit(Rows(columns, tuple(rows)), output, title="Set aside", empty="Nothing is set aside.")
    if forget:
        store.forget_aside()


@failed.command("show")
@click.argument("lead_id", metavar="ID", type=NUMBER)
@_PII
@exact_option
def show_failed(*, lead_id: int, show_pii: bool) -> None:
    """One failed lead with its whole history.

    \b
    Example:
      leadpipe failed show 1
    """
    folder = load_settings(DeliverySettings).published_dir
    rows = lists.failed_leads(folder, is_all=True, lead_id=lead_id, show_pii=show_pii)
    if not rows.rows:
        raise UnknownLead(
            f"No failed lead has the number {lead_id}; see `leadpipe failed list --all`"
        )
    pairs = tuple((n, v) for n, v in zip(rows.columns, rows.rows[0], strict=True) if v is not None)
    emit(Rows(("", " "), pairs), None, title="Failed lead")
    console.print()
    emit(lists.attempts(folder, lead_id), None, title="History")


@failed.command("retry")
@click.argument("lead_id", metavar="ID", type=NUMBER)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def retry(*, lead_id: int, as_json: bool) -> None:
    """Send one failed lead now; if the partner may have it, the partner is asked first.

    \b
    Example:
      leadpipe failed retry 1
    """
    settings = load_settings(DeliverySettings)
    _check_retriable(settings, lead_id)
    deliver_now(settings, [lead_id], as_json=as_json)


@failed.command("retry-all")
@click.option("--yes", is_flag=True, help="Without asking.")
@click.option("--dry-run", is_flag=True, help="Show the plan only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def retry_all(*, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Send all failed leads now, after showing the plan. Ctrl-C stops it; nothing is lost.

    \b
    Examples:
      leadpipe failed retry-all --dry-run
      leadpipe failed retry-all --yes
    """
    settings = load_settings(DeliverySettings)
    found = lists.failed_leads(settings.published_dir, limit=1_000_000).as_dicts()
    invalid = _invalid(settings)
    ids = [number for row in found if (number := int(str(row["id"]))) not in invalid]
    asked = sum(row["state"] == "unknown" for row in found)
    notes.print(
        f"{len(ids)} leads to retry, of which the partner is asked about {asked} first; "
        f"{len(found) - len(ids)} cannot be delivered as they are."
    )
    if dry_run or not ids:
        return
    if not yes and not click.confirm("Send them now?", err=True):
        notes.print("Nothing was sent.")
        return
    deliver_now(settings, ids, as_json=as_json)


@failed.command("settle")
@click.argument("lead_id", metavar="ID", type=NUMBER)
@click.option(
    "--delivered",
    metavar="[PARTNER-ID]",
    is_flag=False,
    flag_value="",
    help="The partner has it, under this id if it has one.",
)
@click.option("--send-again", is_flag=True, help="Send it now, without asking the partner.")
@click.option("--give-up", is_flag=True, help="Do not send it; it waits for nobody any more.")
@click.option("--why", help="The reason, which is kept. Asked for if not given.")
@click.option("--who", help="Who decides, which is kept. Default: who is logged in.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def settle(
    *,
    lead_id: int,
    delivered: str | None,
    send_again: bool,
    give_up: bool,
    why: str | None,
    who: str | None,
    as_json: bool,
) -> None:
    """Say what became of a lead that nobody else can decide. Who said so and why is kept in its history.

    \b
    Examples:
      leadpipe failed settle 7 --delivered npa-77 --why "seen in their portal"
      leadpipe failed settle 7 --send-again --why "they say it never came"
      leadpipe failed settle 7 --give-up --why "the person called and bought"
    """
    chosen: list[Decision] = []
    chosen += ["delivered"] if delivered is not None else []
    chosen += ["send_again"] if send_again else []
    chosen += ["give_up"] if give_up else []
    if len(chosen) != 1:
        raise click.UsageError("Say one of --delivered, --send-again and --give-up.")
    if why is None:
        why = click.prompt("Why", err=True)
    settings = load_settings(DeliverySettings)
    state = settle_lead(
        delivery_place(settings),
        lead_id,
        chosen[0],
        who=who or _user(),
        why=str(why),
        npa_lead_id=delivered or None,
        now=datetime.now(UTC),
    )
    if send_again and settings.npa_api_url is not None:
        deliver_now(settings, [lead_id], as_json=as_json)
    elif as_json:
        click.echo(json.dumps({"id": lead_id, "state": state}))
    else:
        notes.print(f"Lead {lead_id} is {state.replace('_', ' ')}.")


@click.group()
def succeeded() -> None:
    """Leads that the partner has."""


@succeeded.command("list")
@_SINCE
@_CHANNEL
@_PHONE
@_EMAIL
@click.option(
    "--without-response", is_flag=True, help="Only leads without an answer of the partner."
)
@click.option(
    "--export", type=click.Choice(["csv"]), help="The seed's CSV, with personal data in full."
)
@click.option("--limit", default=1_000_000, type=click.IntRange(1), help="Rows. Default: all.")
@_PII
@format_options
def list_succeeded(
    *,
    since: str | None,
    channel: str | None,
    phone: str | None,
    email: str | None,
    without_response: bool,
    export: str | None,
    limit: int,
    show_pii: bool,
    output: str | None,
) -> None:
    """Delivered leads, the latest first, with the partner's id and status.

    `--export csv` prints id, submitted_at, channel, session_id and the lead's fields; a text that a
    spreadsheet would take for a formula is quoted.

    \b
    Examples:
      leadpipe succeeded list --since 24h --channel sms
      leadpipe succeeded list --since 30d --export csv
    """
    settings = load_settings(DeliverySettings)
    rows = lists.succeeded_leads(
        settings.published_dir,
        since=period(since, now=datetime.now(UTC)),
        channel=channel,
        who=lists.person(phone, email, settings.lead_phone_region),
        region=settings.lead_phone_region,
        is_without_response=without_response,
        show_pii=show_pii or export is not None,
        limit=limit,
    )
    if export is not None:
        kept = [rows.columns.index(name) for name in lists.EXPORT_COLUMNS]
        rows = Rows(lists.EXPORT_COLUMNS, tuple(tuple(r[i] for i in kept) for r in rows.rows))
        output = "csv"
    without = (*_SHOWN, "partner_status_at", "has_response") if output is None else ()
    emit(
        rows,
        output,
        title="Delivered leads",
        empty="No delivered lead.",
        without=without,
        drop=("session_id", "attempts", "email", "phone", "full_name", "channel"),
    )


def _check_retriable(settings: DeliverySettings, lead_id: int) -> None:
    rows = lists.failed_leads(settings.published_dir, lead_id=lead_id).as_dicts()
    if not rows:
        raise UnknownLead(
            f"No unresolved failed lead has the number {lead_id}; see `leadpipe failed list`"
        )
    if problem := _invalid(settings).get(lead_id):
        raise ConfigurationError(
            f"Lead {lead_id} cannot be delivered as it is: {problem}. Hand a corrected one over: "
            "`leadpipe deliver FILE.json`, with a session_id of its own."
        )


def _invalid(settings: DeliverySettings) -> dict[int, str]:
    """Leads that were never sent and are invalid by today's rules, each with what is wrong."""
    sent = sent_fields(checked_fields(settings.npa_fields))
    found = {
        int(str(row["id"])): problem_of(
            str(row["lead_data"]),
            row["channel"],
            row["session_id"],
            region=settings.lead_phone_region,
            sent=sent,
        )
        for row in lists.never_sent(settings.published_dir).as_dicts()
    }
    return {number: problem for number, problem in found.items() if problem is not None}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def _leads_of(file: Path) -> list[Any]:
    try:
        items = items_of(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    except UnreadableJson as error:
        raise ConfigurationError(f"{file} cannot be used: {error}") from None
    if items and not any(isinstance(item, dict) for item in items):
        raise ConfigurationError(f"{file} should hold one lead or a list of leads, each an object")
    return items


COMMANDS = (deliver, failed, succeeded, reconcile, delivery)
