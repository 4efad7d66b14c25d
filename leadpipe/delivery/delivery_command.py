"""`leadpipe delivery`: how delivery goes, and how the partner's words are read."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from leadpipe.cli.output import emit, format_options, notes
from leadpipe.delivery import lists
from leadpipe.delivery.answer_rules import AnswerRule, read_answer_rules
from leadpipe.delivery.answers import read_answer
from leadpipe.delivery.periods import since as period
from leadpipe.delivery.settings import DeliverySettings
from leadpipe.errors import ConfigurationError
from leadpipe.settings import load_settings
from leadpipe.warehouse import Rows


@click.group()
def delivery() -> None:
    """How delivery goes."""


@delivery.command("stats")
@click.option("--since", metavar="PERIOD", help="24h, 7d, 30d, or a date. Default: everything.")
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
    emit(
        rows,
        output,
        title="Delivery",
        empty="No lead yet.",
        drop=("given_up", "unknown", "waiting", "retrying"),
    )
    if (reason := lists.breaker(folder)) is not None:
        notes.print(f"! the circuit breaker is open: {reason}", markup=False)


@delivery.command("answers")
@click.option(
    "--try",
    "tried",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file with an answer of the partner: say what it means.",
)
@click.option("--status", default=200, show_default=True, type=click.IntRange(100, 599))
@format_options
def answers(*, tried: Path | None, status: int, output: str | None) -> None:
    """The rules by which the partner's words are read: your own (NPA_ANSWERS_FILE), then those built in.

    \b
    Examples:
      leadpipe delivery answers
      leadpipe delivery answers --csv
    """
    rules = read_answer_rules(load_settings(DeliverySettings).npa_answers_file)
    if tried is not None:
        try:
            verdict = read_answer(status, {}, tried.read_bytes(), rules)
        except OSError as error:
            raise ConfigurationError(f"{tried} cannot be read: {error.strerror}") from None
        row = (verdict.meaning, verdict.npa_lead_id, verdict.message)
        emit(Rows(("meaning", "npa_lead_id", "message"), (row,)), output, title="Answer")
        return
    rows = [_row("own", rule) for rule in rules.own]
    rows += [_row("built in", rule) for rule in rules.built_in]
    columns = ("from", "means", "status", "fields", "values", "text")
    emit(Rows(columns, tuple(rows)), output, title="What answers mean", drop=("from", "status"))


def _row(origin: str, rule: AnswerRule) -> tuple[object, ...]:
    values = "anything" if rule.fields and rule.values is None and not rule.text else None
    return (
        origin,
        rule.means,
        ", ".join(map(str, rule.statuses)) or "any",
        ", ".join(rule.fields) or None,
        ", ".join(map(json.dumps, rule.values)) if rule.values else values,
        ", ".join(map(json.dumps, rule.text)) or None,
    )
