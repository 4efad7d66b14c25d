"""`leadpipe files`: exported files in the bucket, and what became of them."""

from datetime import UTC, datetime
from typing import get_args

import click

from leadpipe.cli.output import console, emit, format_options, notes
from leadpipe.connections import open_warehouse
from leadpipe.errors import ConfigurationError
from leadpipe.events.connecting import open_bucket
from leadpipe.events.exported.choosing import State
from leadpipe.events.settings import EventsSettings
from leadpipe.published import reading
from leadpipe.settings import Settings, load_settings
from leadpipe.warehouse import rows_of

_COLUMNS = (
    "key, state, reason, model, rows, events_new, size, interval_start, interval_end, first_seen_at, "
    "taken_at, e_tag, run_id"
)
_NOT_SHOWN = ("size", "interval_start", "interval_end", "first_seen_at", "e_tag", "run_id")


@click.group(invoke_without_command=True)
@click.option("--state", type=click.Choice(get_args(State)), help="Only files in that state.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Rows.")
@format_options
@click.pass_context
def files(context: click.Context, /, *, state: str | None, limit: int, output: str | None) -> None:
    """Files of batch exports in LEADPIPE_BUCKET, and what became of each version; the latest first.

    One is taken; waits for its manifest; is surplus, as its manifest does not list it; unreadable; postponed,
    as it could not be fetched; ignored, as its rows are neither events nor persons; foreign, as they are
    another project's; superseded by another version; or removed before it was taken. A manifest that lists
    files which are not there is incomplete.

    \b
    Examples:
      leadpipe files
      leadpipe files --state unreadable
    """
    if context.invoked_subcommand is not None:
        return
    found = reading.query(
        load_settings(Settings).published_dir,
        f"SELECT {_COLUMNS} FROM exported_files WHERE $state::VARCHAR IS NULL OR state = $state "
        "ORDER BY first_seen_at DESC, key, e_tag LIMIT $limit",
        {"state": state, "limit": limit},
    )
    emit(
        found,
        output,
        title="Exported files",
        without=_NOT_SHOWN,
        empty="No such file.",
        drop=("model", "rows", "taken_at", "events_new"),
    )


@files.command("take")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
def take(*, keys: tuple[str, ...]) -> None:
    """Take what is new in the bucket now; with keys those files, whatever was decided on them.

    Dagster does so within a minute while it runs. A part is taken without its manifest, a file that could not
    be read is tried again; an event counts once, however often its file is taken. Ends with 1 if a file
    cannot be read.

    \b
    Examples:
      leadpipe files take
      leadpipe files take 2026-11-20T10:00:00+00:00-2026-11-20T11:00:00+00:00.parquet.zst
    """
    from leadpipe.execution import run_job  # noqa: PLC0415 - Dagster takes seconds to import

    settings = load_settings()
    if open_bucket(settings.of(EventsSettings)) is None:
        raise ConfigurationError(
            "LEADPIPE_BUCKET is not set: it names the bucket or folder that PostHog's batch export writes to."
        )
    today = datetime.now(UTC).date()
    outcome = run_job(
        settings,
        "files",
        today,
        today,
        config={"ops": {"exported_files": {"config": {"keys": list(keys)}}}},
    )
    with open_warehouse(settings).connect() as connection:
        taken = rows_of(
            connection.execute(
                "SELECT key, state, reason, model, rows, events_new FROM exported_files "
                "WHERE run_id = $run_id AND model IS DISTINCT FROM 'manifest' ORDER BY key",
                {"run_id": outcome.run_id},
            )
        )
    if outcome.error:
        notes.print(f"✗ {outcome.error}", markup=False, soft_wrap=True)
    else:
        emit(taken, None, title="Files", empty="Nothing new.", drop=("model", "rows"))
    for check in outcome.failed_checks:
        notes.print(f"✗ check {check} failed", markup=False)
    if outcome.error or outcome.failed_checks:
        console.print("`leadpipe files --state unreadable` lists what cannot be read.")
        raise click.exceptions.Exit(1)
