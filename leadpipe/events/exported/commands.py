"""`leadpipe import`."""

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path

import click

from leadpipe.cli.output import emit, notes
from leadpipe.connections import connect_posthog, open_warehouse
from leadpipe.errors import ConfigurationError
from leadpipe.events.connecting import sync_config
from leadpipe.events.exported.folding import TakenIn
from leadpipe.events.exported.importing import ImportReport, Outcome, PersonsTaken, import_files
from leadpipe.events.ledger import Run
from leadpipe.events.settings import EventsSettings
from leadpipe.posthog import PostHog
from leadpipe.published.tables import publish_tables
from leadpipe.ranges import contiguous
from leadpipe.settings import load_settings
from leadpipe.warehouse import Rows

_MOST_RANGES = 5


@click.command("import")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
@click.option(
    "--unproved",
    is_flag=True,
    help="Ask PostHog nothing: neither whether it knows the files' events, nor whether days are complete.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_exported(*, files: tuple[Path, ...], unproved: bool, as_json: bool) -> None:
    """Take files of PostHog's events or persons, from a download, a batch export or anywhere.

    Parquet with any compression inside, and JSON Lines plain, gzip, brotli or zstd; what is in a file is told
    by its columns. Events that are here already count once, in whatever order files and syncs come; persons
    say whose they are, below what PostHog's queries say. PostHog is asked whether a file is of this project,
    and afterwards whether the days it touched are complete. Ends with 1 if a file could not be taken; the
    others are in all the same.

    \b
    Examples:
      leadpipe import export.parquet
      leadpipe import exports/*.parquet.zst
      leadpipe import --unproved old-project/*.jsonl.gz
    """
    settings = load_settings(EventsSettings)
    now = datetime.now(UTC)
    warehouse = open_warehouse(settings)
    with ExitStack() as stack:
        posthog = None if unproved else stack.enter_context(_asked(settings))
        report = import_files(
            posthog,
            warehouse,
            files,
            run=Run(str(uuid.uuid4()), "manual"),
            config=sync_config(settings),
            first_day=settings.first_day(now),
            clock=lambda: datetime.now(UTC),
            told=lambda name, outcome: _tell(name, outcome, as_json=as_json),
        )
    with warehouse.connect() as connection:
        publish_tables(connection, settings.published_dir)
    rows = [_row(name, taken) for name, taken in report.files.items()]
    if as_json:
        click.echo(json.dumps(_content(report, rows), default=str, indent=1))
    elif rows:
        emit(
            Rows(tuple(rows[0]), tuple(tuple(row.values()) for row in rows)),
            None,
            title="Taken in",
            drop=("not asked for", "seen before"),
        )
    for line in _lines(report):
        notes.print(line, markup=False, soft_wrap=True)
    for problem in report.bad.values():
        notes.print(f"✗ {problem}", markup=False, soft_wrap=True)
    if report.bad:
        raise click.exceptions.Exit(1)


def _asked(settings: EventsSettings) -> PostHog:
    try:
        return connect_posthog(settings)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{error} Or say `--unproved` to take the files without asking PostHog anything."
        ) from None


def _tell(name: str, outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        return
    if isinstance(outcome, TakenIn):
        notes.print(f"{name}: {outcome.new:,} of {outcome.rows:,} rows are new", markup=False)
    if isinstance(outcome, PersonsTaken):
        days = len(outcome.changed_days)
        notes.print(
            f"{name}: {outcome.rows:,} rows of persons; on {days:,} {'day' if days == 1 else 'days'} events "
            "have another person now",
            markup=False,
            soft_wrap=True,
        )


def _row(name: str, taken: TakenIn) -> dict[str, object]:
    reasons = dict(taken.rejected)
    if taken.misdated:
        reasons["dated outside the days loaded"] = taken.misdated
    if taken.history:
        reasons["before the first day loaded"] = taken.history
    return {
        "file": name,
        "rows": taken.rows,
        "new": taken.new,
        "seen before": taken.duplicate,
        "not asked for": taken.not_asked_for,
        "rejected": "; ".join(f"{count:,} {reason}" for reason, count in reasons.items()),
    }


def _content(report: ImportReport, rows: Sequence[dict[str, object]]) -> dict[str, object]:
    return {
        "files": rows,
        "persons_files": [
            {"file": name, "rows": persons.rows, "days_changed": persons.changed_days}
            for name, persons in report.persons.items()
        ],
        "bad_files": report.bad,
        "days_equal": report.equal,
        "days_differing": report.differing,
        "days_unproved": report.unproved,
    }


def _lines(report: ImportReport) -> Iterator[str]:
    """What became of the days, and what comes next."""
    if report.equal:
        yield f"Proved: {_days(report.equal)} PostHog's events."
    if report.differing:
        yield (
            f"Not yet: {_days(report.differing, other=True)} PostHog's; `leadpipe sync` reads what is "
            "missing."
        )
    if report.unproved:
        yield (
            f"Unproved: {_spans(report.unproved)}. What PostHog still shows of them the next `leadpipe sync` "
            "proves."
        )
    if report.equal or report.differing or report.unproved:
        yield "The next `leadpipe sync` builds the tables with them."
    history = sum(taken.history for taken in report.files.values())
    if history:
        yield (
            f"{history:,} events are from before the first day loaded, and stay in their files. To take "
            "them, set LEADPIPE_START_DATE to an earlier day and import the files again."
        )


def _days(days: Sequence[date], *, other: bool = False) -> str:
    what = "other events than" if other else "exactly"
    return f"{_spans(days)} {'has' if len(days) == 1 else 'have'} {what}"


def _spans(days: Sequence[date]) -> str:
    ranges = contiguous(days)
    named = [str(first) if first == last else f"{first} to {last}" for first, last in ranges]
    left = len(named) - _MOST_RANGES
    return ", ".join(named[:_MOST_RANGES]) + (f" and {left} more spans" if left > 0 else "")
