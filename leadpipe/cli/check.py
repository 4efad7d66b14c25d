"""`leadpipe check`: what is right and what is wrong with the set-up, in plain words."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import click

from leadpipe.cli.output import console
from leadpipe.connections import (
    connect_posthog,
    open_inbox,
    open_warehouse,
    sync_config,
    webhook_reader,
)
from leadpipe.errors import (
    ConfigurationError,
    LeadpipeError,
    PostHogError,
    PostHogRefused,
    ScopeMissing,
    WarehouseLocked,
)
from leadpipe.events.windows import EPOCH
from leadpipe.leads.scores import load_rules
from leadpipe.posthog import PostHog, utc_text
from leadpipe.published import reading
from leadpipe.settings import Settings, load_settings
from leadpipe.warehouse import read_sql

_LEAST_FREE_GB = 2.0
_SIGNS = {"ok": "[green]✓[/green]", "warning": "[yellow]![/yellow]", "wrong": "[red]✗[/red]"}


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    verdict: Literal["ok", "warning", "wrong"]
    what: str
    text: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(*, as_json: bool) -> None:
    """Say what is right and wrong: key, scopes, host, project, warehouse, disk. Ends with 1 if wrong.

    \b
    Example:
      leadpipe check
    """
    findings: list[Finding] = []
    for finding in _findings():
        findings.append(finding)
        if not as_json:
            console.print(f"{_SIGNS[finding.verdict]} {finding.what}: ", end="")
            console.print(finding.text, markup=False, soft_wrap=True)
    if as_json:
        click.echo(
            json.dumps([asdict(finding) for finding in findings], indent=1, ensure_ascii=False)
        )
    if any(finding.verdict == "wrong" for finding in findings):
        raise click.exceptions.Exit(1)


def _findings() -> Iterator[Finding]:
    try:
        settings = load_settings()
    except LeadpipeError as error:
        yield Finding("wrong", "settings", str(error))
        return
    yield from _posthog(settings)
    yield from _warehouse(settings)
    yield from _page(settings)
    yield from _disk(settings)
    try:
        rules = load_rules(settings.scores_path)
        yield Finding("ok", "score rules", f"version {rules.version!r}")
    except LeadpipeError as error:
        yield Finding("wrong", "score rules", str(error))


def _posthog(settings: Settings) -> Iterator[Finding]:
    try:
        client = connect_posthog(settings, deadline_seconds=20)
    except LeadpipeError as error:
        yield Finding("wrong", "PostHog", str(error))
        return
    with client as posthog:
        try:
            scopes = posthog.key_scopes()
        except PostHogRefused as error:
            yield Finding("wrong", "API key", str(error))
            return
        except PostHogError as error:
            yield Finding("wrong", "host", str(error))
            return
        if not {"*", "query:read", "query:write"} & set(scopes):
            yield Finding(
                "wrong",
                "API key",
                f"accepted, but it lacks the scope query:read (it has {', '.join(scopes)}); "
                "add it under Settings → Personal API keys",
            )
            return
        yield Finding("ok", "API key", f"accepted by {posthog.host}, scopes {', '.join(scopes)}")
        yield from _project(posthog, settings)


def _project(posthog: PostHog, settings: Settings) -> Iterator[Finding]:
    try:
        project = posthog.project()
        zone = f"time zone {project.timezone}; leadpipe counts days in UTC"
        yield Finding("ok", "project", f"{project.name} ({project.id}), {zone}")
    except ScopeMissing:
        yield Finding(
            "warning",
            "project",
            "name and time zone unknown: the key lacks project:read (optional)",
        )
    except PostHogError as error:
        yield Finding("wrong", "project", str(error))
        return
    now = datetime.now(UTC)
    try:
        counted = posthog.query(
            read_sql("events", "day_counts.hogql"),
            values={
                "events": list(sync_config(settings).selection.events),
                "window_start": utc_text(now - timedelta(days=7)),
                "window_end": utc_text(now),
                "created_after": utc_text(EPOCH),
                "created_until": utc_text(now),
            },
            name="leadpipe: check",
        ).decoded()
    except PostHogError as error:
        yield Finding("wrong", "queries", str(error))
        return
    total = sum(int(str(events)) for _, events in counted)
    if total:
        yield Finding("ok", "events", f"{total:,} of leadpipe's events in the last 7 days")
    else:
        yield Finding(
            "warning", "events", "none of leadpipe's events in the last 7 days; are they sent?"
        )


def _warehouse(settings: Settings) -> Iterator[Finding]:
    path = settings.warehouse_path
    if not path.exists():
        yield Finding("ok", "warehouse", f"{path} will be made by the first sync")
        return
    try:
        with replace(open_warehouse(settings), lock_timeout_seconds=0.0).connect() as connection:
            source = connection.execute("SELECT host, project_id FROM sources").fetchone()
            count = connection.execute("SELECT count(*) FROM raw_events").fetchone()
    except WarehouseLocked as error:
        yield Finding("warning", "warehouse", str(error))
        return
    except LeadpipeError as error:
        yield Finding("wrong", "warehouse", str(error))
        return
    megabytes = path.stat().st_size / 1e6
    events = count[0] if count else 0
    holds = f"project {source[1]} of {source[0]}" if source else "no project yet"
    yield Finding("ok", "warehouse", f"{path}, {megabytes:,.0f} MB, {events:,} events, {holds}")
    host = _host(settings)
    if source and host and source != (host, settings.posthog_project_id):
        yield Finding(
            "wrong",
            "warehouse",
            f"it holds project {source[1]} of {source[0]}, but project {settings.posthog_project_id} of "
            f"{host} is configured; set LEADPIPE_DATA_DIR to another folder or `make clean`",
        )
    try:
        wrong = reading.query(
            settings.published_dir, "SELECT count(*) FROM event_days WHERE NOT is_complete"
        ).rows[0][0]
        yield Finding(
            "warning" if wrong else "ok",
            "completeness",
            f"{wrong} days differ from PostHog's count; see `leadpipe days --incomplete`"
            if wrong
            else "every day read has as many events as PostHog counts",
        )
    except LeadpipeError as error:
        yield Finding("warning", "published tables", str(error))


def _page(settings: Settings) -> Iterator[Finding]:
    try:
        webhook_reader(settings, now=datetime.now(UTC))
        state = open_inbox(settings).state() if settings.inbox_path.exists() else None
    except LeadpipeError as error:
        yield Finding("wrong", "webhook", str(error))
        return
    missing = [
        name
        for name, secret in (
            ("POSTHOG_WEBHOOK_SECRET", settings.posthog_webhook_secret),
            ("CRON_SECRET", settings.cron_secret),
        )
        if secret is None
    ]
    if missing:
        yield Finding("ok", "web page", f"answers this machine only: {', '.join(missing)} not set")
    else:
        yield Finding("ok", "web page", "webhook and cron are secured")
    if state is not None:
        yield Finding(
            "warning" if state.dead_letters else "ok",
            "inbox",
            f"{state.waiting:,} events wait, {state.dead_letters:,} dead letters; see `leadpipe inbox dead`"
            if state.dead_letters
            else f"{state.waiting:,} events wait",
        )


def _host(settings: Settings) -> str | None:
    """The host as the client would write it; None when no client can be made."""
    try:
        with connect_posthog(settings) as posthog:
            return posthog.host
    except ConfigurationError:
        return None


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = settings.warehouse_path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    yield Finding(
        "ok" if free >= _LEAST_FREE_GB else "warning", "disk", f"{free:,.1f} GB free for {folder}"
    )
