"""`leadpipe deliver`, `failed`, `succeeded`, `reconcile`, `delivery`: leads on their way to the partner."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from leadpipe.cli.output import console, emit, format_options, notes
from leadpipe.delivery import lists
from leadpipe.delivery.connecting import connect_partner, delivery_place, delivery_policy
from leadpipe.delivery.delivering import DeliveryReport
from leadpipe.delivery.intake import take_in_leads
from leadpipe.delivery.lead import CHANNELS
from leadpipe.delivery.periods import since as period
from leadpipe.delivery.service import deliver_due
from leadpipe.delivery.service import reconcile as compare
from leadpipe.delivery.settings import DeliverySettings
from leadpipe.errors import ConfigurationError, UnknownLead
from leadpipe.published.tables import publish_tables
from leadpipe.settings import load_settings
from leadpipe.warehouse import Rows

_SHOWN = ("vehicle_make", "vehicle_model", "vehicle_year", "zip_code", "last_retry_at", "resolved")
_SINCE = click.option(
    "--since", metavar="PERIOD", help="24h, 7d, 30d, or a date. Default: everything."
)
_CHANNEL = click.option("--channel", type=click.Choice(CHANNELS), help="Only this channel.")
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
        with place.warehouse.connect() as connection:
            report, _ = take_in_leads(
                connection,
                items,
                source="file",
                region=settings.lead_phone_region,
                now=datetime.now(UTC),
            )
            publish_tables(connection, settings.published_dir)
        notes.print(
            f"{report.new} leads kept, {report.duplicate} were known, {report.invalid} are invalid "
            "(see `leadpipe failed list`)"
        )
    if settings.npa_api_url is None and file is not None:
        notes.print("NPA_API_URL is not set; the leads wait in the outbox.")
        return
    _deliver(settings, None, as_json=as_json)


@click.group()
def failed() -> None:
    """Leads that were not delivered: list, show, retry."""


@failed.command("list")
@click.option("--all", "is_all", is_flag=True, help="Also those delivered meanwhile.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="Rows.")
@_PII
@format_options
def list_failed(*, is_all: bool, limit: int, show_pii: bool, output: str | None) -> None:
    """Undelivered leads, the oldest first, with the error and the time of the next attempt.

    \b
    Examples:
      leadpipe failed list
      leadpipe failed list --all --csv
    """
    rows = lists.failed_leads(
        load_settings(DeliverySettings).published_dir, is_all=is_all, show_pii=show_pii, limit=limit
    )
    without = _SHOWN if output is None else ()
    emit(rows, output, title="Failed leads", empty="No failed lead.", without=without)


@failed.command("show")
@click.argument("lead_id", metavar="ID", type=int)
@_PII
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
@click.argument("lead_id", metavar="ID", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def retry(*, lead_id: int, as_json: bool) -> None:
    """Send one failed lead now; if the partner may have it, the partner is asked first.

    \b
    Example:
      leadpipe failed retry 1
    """
    settings = load_settings(DeliverySettings)
    _retriable(lists.failed_leads(settings.published_dir, lead_id=lead_id), lead_id)
    _deliver(settings, [lead_id], as_json=as_json)


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
    # A lead that was never sent has nothing in its history but why it is invalid.
    ids = [
        int(str(row["id"]))
        for row in found
        if row["state"] != "failed" or row["retry_count"] or not _is_invalid(settings, row)
    ]
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
    _deliver(settings, ids, as_json=as_json)


@click.group()
def succeeded() -> None:
    """Leads that the partner has."""


@succeeded.command("list")
@_SINCE
@_CHANNEL
@click.option("--phone", help="Only leads with this phone number.")
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
    rows = lists.succeeded_leads(
        load_settings(DeliverySettings).published_dir,
        since=period(since, now=datetime.now(UTC)),
        channel=channel,
        phone=phone,
        is_without_response=without_response,
        show_pii=show_pii or export is not None,
        limit=limit,
    )
    if export is not None:
        kept = [rows.columns.index(name) for name in lists.EXPORT_COLUMNS]
        rows = Rows(lists.EXPORT_COLUMNS, tuple(tuple(r[i] for i in kept) for r in rows.rows))
        output = "csv"
    without = (*_SHOWN, "partner_status_at", "has_response") if output is None else ()
    emit(rows, output, title="Delivered leads", empty="No delivered lead.", without=without)


@click.command()
@_SINCE
@_CHANNEL
@click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), help="A CSV the partner sent."
)
@click.option("--fix", is_flag=True, help="Send again what the partner does not have.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reconcile(
    *, since: str | None, channel: str | None, file: Path | None, fix: bool, as_json: bool
) -> None:
    """Compare delivered leads with the partner's list, both ways: missing, unknown, different, doubled.

    \b
    Examples:
      leadpipe reconcile --since 24h
      leadpipe reconcile --since 30d --file partner.csv
      leadpipe reconcile --since 24h --fix
    """
    settings = load_settings(DeliverySettings)
    now = datetime.now(UTC)
    partner = None if file is not None and not fix else connect_partner(settings)
    try:
        found, again = compare(
            delivery_place(settings),
            partner,
            since=period(since, now=now),
            until=now,
            channel=channel,
            file=file,
            is_fixing=fix,
            settle=timedelta(seconds=settings.npa_settle_seconds),
            clock=lambda: datetime.now(UTC),
        )
    finally:
        if partner is not None:
            partner.close()
    counts: dict[str, object] = {
        "ours": found.ours,
        "theirs": found.theirs,
        "matched": found.matched,
        "missing_there": found.count("missing"),
        "unknown_here": found.count("unknown"),
        "different": found.count("different"),
        "there_twice": found.count("duplicated"),
        "put_back": again,
    }
    _, findings = lists.last_report(settings.published_dir)
    if as_json:
        click.echo(json.dumps({**counts, "findings": findings.as_dicts()}, indent=1))
    else:
        emit(Rows(tuple(counts), (tuple(counts.values()),)), None, title="Reconciliation")
        if findings.rows:
            console.print()
            emit(findings, None, title="Findings")
    if again:
        _deliver(settings, None, as_json=False)
    elif found.missing and not fix:
        notes.print(
            f"{len(found.missing)} leads are missing there; `leadpipe reconcile --fix` sends them again."
        )


@click.group()
def delivery() -> None:
    """How delivery goes."""


@delivery.command("stats")
@_SINCE
@click.option("--by-day", is_flag=True, help="Delivered leads by day and channel.")
@format_options
def stats(*, since: str | None, by_day: bool, output: str | None) -> None:
    """Per channel: leads, delivered, failed, on their way, success rate; and whether sending is stopped.

    \b
    Examples:
      leadpipe delivery stats --since 7d
      leadpipe delivery stats --by-day --csv
    """
    folder = load_settings(DeliverySettings).published_dir
    start = period(since, now=datetime.now(UTC))
    rows = lists.by_day(folder, since=start) if by_day else lists.rates(folder, since=start)
    emit(rows, output, title="Delivery", empty="No lead yet.")
    if (reason := lists.breaker(folder)) is not None:
        notes.print(f"! the circuit breaker is open: {reason}", markup=False)


def _deliver(settings: DeliverySettings, ids: Sequence[int] | None, *, as_json: bool) -> None:
    with connect_partner(settings) as partner:
        taken_in, report = deliver_due(
            delivery_place(settings),
            partner,
            policy=delivery_policy(settings),
            clock=lambda: datetime.now(UTC),
            ids=ids,
            seconds=3_600.0,
            progress=_progress(),
        )
    counts: dict[str, Any] = {
        "new": taken_in.new,
        "sent": report.sent,
        "succeeded": report.succeeded,
        "found": report.found,
        "failed": report.failed,
        "retrying": report.retrying,
        "unknown": report.unknown,
    }
    if as_json:
        click.echo(json.dumps({**counts, "stopped": report.stopped}, indent=1))
        return
    emit(Rows(tuple(counts), (tuple(counts.values()),)), None, title="Delivered")
    if report.stopped:
        notes.print(f"! {report.stopped}", markup=False)
    if report.failed or report.retrying or report.unknown:
        notes.print("`leadpipe failed list` says why.")


def _progress() -> Callable[[DeliveryReport], None]:
    """Say how far it is, to people only."""
    if not sys.stderr.isatty():
        return lambda _: None
    return lambda report: notes.print(f"{report.sent} sent, {report.succeeded} delivered …")


def _retriable(rows: Rows, lead_id: int) -> None:
    if not rows.rows:
        raise UnknownLead(
            f"No unresolved failed lead has the number {lead_id}; see `leadpipe failed list`"
        )
    row = rows.as_dicts()[0]
    if _is_invalid(load_settings(DeliverySettings), row):
        raise ConfigurationError(
            f"Lead {lead_id} cannot be delivered as it is: {row['error']}. Hand a corrected one over: "
            "`leadpipe deliver FILE.json`, with a session_id of its own."
        )


def _is_invalid(settings: DeliverySettings, row: dict[str, object]) -> bool:
    history = lists.attempts(settings.published_dir, int(str(row["id"]))).rows
    return bool(history) and all(item[2] == "invalid" for item in history)


def _leads_of(file: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{file} is not JSON: {error}") from None
    items = content if isinstance(content, list) else [content]
    if not all(isinstance(item, dict) for item in items):
        raise ConfigurationError(f"{file} should hold one lead or a list of leads, each an object")
    return items


COMMANDS = (deliver, failed, succeeded, reconcile, delivery)
