"""`leadpipe check`: what is right and wrong with the set-up, in plain words."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime

import click
from rich.markup import escape

from leadpipe.cli import lake, safety
from leadpipe.cli.findings import Finding
from leadpipe.cli.output import console, print_json
from leadpipe.connections import connect_posthog
from leadpipe.domains import HasFindings, parts
from leadpipe.errors import LeadpipeError, PostHogError, PostHogRefused, ScopeMissing
from leadpipe.posthog import PostHog
from leadpipe.settings import Settings, load_settings

_LEAST_FREE_GB = 2.0
_SIGNS = {"ok": "[green]✓[/green]", "warning": "[yellow]![/yellow]", "wrong": "[red]✗[/red]"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(*, as_json: bool) -> None:
    """Say what is right and wrong: key, project, warehouse, workers, safety, disk. Ends with 1 if wrong.

    \b
    Example:
      leadpipe check
    """
    findings: list[Finding] = []
    for finding in _findings():
        findings.append(finding)
        if not as_json:
            console.print(f"{_SIGNS[finding.verdict]} {escape(f'{finding.what}: {finding.text}')}")
    if as_json:
        print_json([asdict(finding) for finding in findings])
    if any(finding.verdict == "wrong" for finding in findings):
        raise click.exceptions.Exit(1)


def _findings() -> Iterator[Finding]:
    try:
        settings = load_settings()
    except LeadpipeError as error:
        yield Finding("wrong", "settings", str(error))
        return
    with ExitStack() as closing:
        yield from lake.findings(settings)
        found: list[Finding] = []
        posthog = _posthog(settings, found, closing)
        yield from found
        for _, part in parts(HasFindings):
            yield from part.findings(settings, posthog, now=datetime.now(UTC))
    yield from safety.findings(settings)
    yield _disk(settings)


def _posthog(settings: Settings, found: list[Finding], closing: ExitStack) -> PostHog | None:
    """A client of the project, None if it is of no use; what was found out about it."""
    try:
        posthog = closing.enter_context(connect_posthog(settings, deadline_seconds=20))
    except LeadpipeError as error:
        found.append(Finding("wrong", "PostHog", str(error)))
        return None
    try:
        scopes = posthog.key_scopes()
    except PostHogError as error:
        what = "API key" if isinstance(error, PostHogRefused) else "host"
        found.append(Finding("wrong", what, str(error)))
        return None
    if not {"*", "query:read", "query:write"} & set(scopes):
        text = (
            f"accepted, but it lacks the scope query:read (it has {', '.join(scopes)}); "
            "add it under Settings → Personal API keys"
        )
        found.append(Finding("wrong", "API key", text))
        return None
    text = f"accepted by {posthog.host}, scopes {', '.join(scopes)}"
    found.append(Finding("ok", "API key", text))
    try:
        project = posthog.project()
    except ScopeMissing:
        text = "name, time zone and retention unknown: the key lacks project:read (optional)"
        found.append(Finding("warning", "project", text))
    except PostHogError as error:
        found.append(Finding("wrong", "project", str(error)))
        return None
    else:
        zone = f"time zone {project.timezone}; leadpipe counts days in UTC"
        found.append(Finding("ok", "project", f"{project.name} ({project.id}), {zone}"))
    return posthog


def _disk(settings: Settings) -> Finding:
    folder = settings.warehouse_path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    text = f"{free:,.1f} GB free for {folder}"
    return Finding("ok" if free >= _LEAST_FREE_GB else "warning", "disk", text)


COMMANDS = (check,)
