"""From settings to one sync of a tenant's leads file, as the command and the asset run it.

Belongs here: which file, which source, which patience. Does not belong here: the steps
(`interactions/syncing.py`), printing, Dagster.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from leadpipe.connections import connect_posthog, open_warehouse
from leadpipe.events.connecting import event_mapping
from leadpipe.interactions.history import keep_record
from leadpipe.interactions.reading import Question, Source, read_events
from leadpipe.interactions.replacing import read_file
from leadpipe.interactions.settings import InteractionsSettings
from leadpipe.interactions.syncing import SyncReport, sync_file
from leadpipe.interactions.tenants import checked_program, leads_path
from leadpipe.posthog import PostHog

_SHORT_PATIENCE_SECONDS = 5.0  # with a source: auto PostHog can serve as well


def sync_leads(
    settings: InteractionsSettings,
    tenant: str,
    program_id: str,
    *,
    now: datetime,
    days: int = 30,
    source: Source = "auto",
    is_dry_run: bool = False,
    run_id: str | None = None,
    connect: Callable[[], PostHog] | None = None,
) -> SyncReport:
    """Merge a tenant's staff contacts of the last days into its leads file, and keep the sync's record.

    Args:
        settings: where everything is; a project of your choice by `settings.posthog_project_id`.
        tenant: as the events name it; also the name in the path of the file.
        program_id: as the events name it.
        now: when (UTC).
        days: how far back.
        source: where events are read.
        is_dry_run: say what would be written, and write nothing.
        run_id: Dagster's run, if it is one.
        connect: makes the client, instead of `connect_posthog`.

    Raises:
        LeadpipeError: the file is as it was.
    """
    path = leads_path(settings.leads_pattern, tenant)
    question = Question(
        tenant,
        checked_program(program_id),
        now - timedelta(days=days),
        now,
        project_id=settings.posthog_project_id,
        mapping=event_mapping(settings),
    )
    read_file(path)  # before anything is asked of PostHog
    patience = _SHORT_PATIENCE_SECONDS if source == "auto" else settings.lock_timeout_seconds
    reading = read_events(
        question,
        source=source,
        warehouse=replace(
            open_warehouse(settings),
            lock_timeout_seconds=min(patience, settings.lock_timeout_seconds),
        ),
        fresh_for=timedelta(minutes=settings.fresh_minutes),
        connect=connect or (lambda: connect_posthog(settings)),
        page_rows=settings.page_rows,
    )
    report = sync_file(
        path,
        reading,
        question,
        is_dry_run=is_dry_run,
        lock_timeout_seconds=settings.lock_timeout_seconds,
    )
    if is_dry_run:
        return report
    try:
        keep_record(settings.sync_records_dir, report, run_id=run_id)
    except OSError as error:  # the file is written, and what was done must be told
        note = f"the sync's record cannot be kept in {settings.sync_records_dir}: {error.strerror}"
        return replace(report, note="; ".join(filter(None, (report.note, note))))
    return report
