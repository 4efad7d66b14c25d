"""What the commands that send share: one delivery with its counts, and numbers as people write them."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from leadpipe import tracing
from leadpipe.cli.output import emit, notes
from leadpipe.delivery.connecting import connect_partner, delivery_place, delivery_policy
from leadpipe.delivery.delivering import DeliveryReport
from leadpipe.delivery.service import deliver_due
from leadpipe.delivery.settings import DeliverySettings
from leadpipe.warehouse import Rows


class _Number(click.ParamType[int]):
    """A whole number, also as a table shows it: 1,234."""

    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        text = str(value).replace(",", "").strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 18):  # noqa: PLR2004 - a BIGINT
            self.fail(f"{str(value)[:40]!r} is no number of a lead", param, ctx)
        return int(text)


NUMBER = _Number()


def deliver_now(settings: DeliverySettings, ids: Sequence[int] | None, *, as_json: bool) -> None:
    """Deliver what is due, or chosen leads, and print what happened.

    Raises:
        ConfigurationError: no partner is set.
    """
    counts, report = delivered_counts(settings, ids)
    if as_json:
        click.echo(json.dumps({**counts, "stopped": report.stopped}, indent=1))
        return
    emit(Rows(tuple(counts), (tuple(counts.values()),)), None, title="Delivered")
    if report.stopped:
        notes.print(f"! {report.stopped}", markup=False)
    if report.undecided:
        notes.print(
            f"{report.undecided} need a person: `leadpipe failed settle ID` says what became of one."
        )
    if report.failed or report.retrying or report.unknown:
        notes.print("`leadpipe failed list` says why.")


def delivered_counts(
    settings: DeliverySettings, ids: Sequence[int] | None
) -> tuple[dict[str, Any], DeliveryReport]:
    """Deliver what is due, or chosen leads; the counts that are shown, and the report they are of.

    Raises:
        ConfigurationError: no partner is set.
    """
    tracing.begin(settings.otlp_endpoint)
    with tracing.span("delivery"), connect_partner(settings) as partner:
        taken_in, report = deliver_due(
            delivery_place(settings),
            partner,
            policy=delivery_policy(settings),
            clock=lambda: datetime.now(UTC),
            ids=ids,
            seconds=3_600.0,
            progress=_progress(),
        )
    counts = {
        "new": taken_in.new,
        "sent": report.sent,
        "asked": report.asked,
        "succeeded": report.succeeded,
        "found": report.found,
        "failed": report.failed,
        "retrying": report.retrying,
        "unknown": report.unknown,
    }
    return counts, report


def _progress() -> Callable[[DeliveryReport], None]:
    """Say how far it is, to people only."""
    if not sys.stderr.isatty():
        return lambda _: None
    return lambda report: notes.print(f"{report.sent} sent, {report.succeeded} delivered …")
