"""`leadpipe demo`, `leadpipe sandbox` and `leadpipe up`: leadpipe without an account, and its UI."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leadpipe.cli.output import console, emit, notes, print_table
from leadpipe.cli.sync import plan_now, run_days
from leadpipe.errors import ConfigurationError
from leadpipe.published import reading
from leadpipe.settings import Settings, child_environment, load_settings, prepare_dagster

if TYPE_CHECKING:
    from leadpipe.sandbox.process import SandboxProcess

_AHEAD_DAYS = 7
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class _Traffic:
    """What the demo's sandbox is filled with; kept in the data folder, so that `up` fills it alike.

    Traffic reaches some days into the future and shows as time passes: the demo stays alive.
    """

    port: int
    events: int
    days: int
    seed: int
    end: str

    @property
    def first_day(self) -> str:
        return (datetime.fromisoformat(self.end) - timedelta(days=self.days)).date().isoformat()


@click.command()
@click.option(
    "--events",
    default=30_000,
    show_default=True,
    type=click.IntRange(1_000, 20_000_000),
    help="How many events to invent.",
)
@click.option(
    "--days",
    default=60,
    show_default=True,
    type=click.IntRange(1, 3_650),
    help="Over how many days before today.",
)
@click.option("--seed", default=1, show_default=True, help="The same seed, the same events.")
@click.option(
    "--port", default=8010, show_default=True, help="Where the sandbox listens (loopback)."
)
def demo(*, events: int, days: int, seed: int, port: int) -> None:
    """Start a PostHog sandbox with invented traffic, sync it, and show what came out.

    Run it again, and the same traffic is synced: nothing is added, whatever the options. `make clean`
    forgets it. `leadpipe up` shows it in the Dagster UI.

    \b
    Examples:
      leadpipe demo
      leadpipe demo --events 200000 --days 120
    """
    settings = load_settings()
    if settings.posthog_api_key is not None:
        raise ConfigurationError(
            "POSTHOG_API_KEY is set, and the demo would mix invented events with real ones. "
            "Run `leadpipe sync`, or unset it (see .env) for the demo."
        )
    now = datetime.now(UTC)
    end = (now + timedelta(days=_AHEAD_DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
    traffic = _kept_traffic(settings) or _Traffic(
        port, events, days + _AHEAD_DAYS, seed, end.isoformat()
    )
    notes.print(f"Starting a PostHog sandbox with {traffic.events:,} events …")
    with _start_sandbox(traffic) as server:
        _keep_traffic(settings, traffic)
        configured = _with_sandbox(server)
        problems = run_days(configured, plan_now(configured, now).days)
    _show(configured)
    if problems:
        raise click.exceptions.Exit(1)


def _show(settings: Settings) -> None:
    folder = settings.published_dir
    console.print()
    by_type = reading.query(
        folder,
        "WITH actions AS (SELECT unnest(CAST(lead_actions AS JSON[])) AS action FROM leads) "
        "SELECT replace(coalesce(action ->> 'message_type', action ->> 'action_type'), 'lead_', '') "
        "AS lead_type, count(*) AS actions, CAST(sum(CAST(action ->> 'points' AS INTEGER)) AS BIGINT) "
        "AS points FROM actions GROUP BY lead_type ORDER BY actions DESC",
    )
    emit(by_type, None, title="Leads by type")
    console.print()
    top = reading.query(
        folder,
        "SELECT listing_id, total_views, unique_views, total_leads, unique_leads, conversion_rate "
        "FROM listings ORDER BY total_leads DESC, total_views DESC, listing_id LIMIT 5",
    )
    emit(top, None, title="Top listings")
    console.print()
    verdicts = reading.query(
        folder,
        "SELECT event_date, posthog_events, is_complete FROM event_days "
        "WHERE read_until IS NOT NULL ORDER BY event_date",
    ).rows
    cells = [
        f"{day:%m-%d} {'✓' if complete else '✗'} {count:,}" for day, count, complete in verdicts
    ]
    width = 5
    lines = [cells[start : start + width] for start in range(0, len(cells), width)]
    lines = [line + [""] * (width - len(line)) for line in lines]
    print_table([""] * width, lines, title="Days (✓ PostHog's own count agrees, events)")
    complete = sum(bool(row[2]) for row in verdicts)
    events = sum(int(str(row[1])) for row in verdicts)
    totals = reading.query(folder, "SELECT count(DISTINCT lead_id), count(*) FROM leads").rows[0]
    console.print(
        f"\n{complete} of {len(verdicts)} days complete, {events:,} events, "
        f"{totals[0]:,} leads in {totals[1]:,} records."
    )
    console.print("Next: `make up` for the Dagster UI, `leadpipe leads list`, `leadpipe listings`.")


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(*, arguments: tuple[str, ...]) -> None:
    """Run a PostHog to try things on: query and capture APIs, invented traffic.

    \b
    Examples:
      leadpipe sandbox --events 20000 --live 30
      leadpipe sandbox parquet --events 1000000 --out traffic
    """
    _need_sandbox()
    command = [sys.executable, "-m", "leadpipe.sandbox", *arguments]
    raise click.exceptions.Exit(_run_until_stopped(command, {}))


@click.command()
@click.option("--port", default=3000, show_default=True, help="Of the Dagster UI (loopback).")
def up(*, port: int) -> None:
    """Start the Dagster UI and its daemon on the data that is there; stop them with Ctrl-C.

    After `leadpipe demo`, and as long as no POSTHOG_API_KEY is set, the demo's sandbox is started too.

    \b
    Example:
      leadpipe up
    """
    settings = load_settings()
    home = (settings.dagster_home or Path.cwd()).resolve()
    if not (home / "workspace.yaml").exists():
        raise ConfigurationError(f"{home} has no workspace.yaml; run this in leadpipe's own folder")
    traffic = _kept_traffic(settings) if settings.posthog_api_key is None else None
    server = _start_sandbox(traffic) if traffic else None
    try:
        prepare_dagster()
        extra = {"DAGSTER_HOME": str(home)}
        if server is not None:
            notes.print(f"The demo's PostHog sandbox: {server.url}")
            extra |= _sandbox_environment(server)
        notes.print(f"Dagster UI: http://127.0.0.1:{port} (answers in some 20 seconds)")
        command = [
            *(sys.executable, "-m", "dagster", "dev", "-w", str(home / "workspace.yaml")),
            *("-h", "127.0.0.1", "-p", str(port)),
        ]
        raise click.exceptions.Exit(_run_until_stopped(command, extra))
    finally:
        if server is not None:
            server.stop()


def _run_until_stopped(command: list[str], extra: dict[str, str]) -> int:
    """Run a program until it ends or we are told to stop; it gets the chance to end by itself."""
    stopping = threading.Event()
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # before the start: what we ignored, it would too
        signal.signal(number, lambda *_: stopping.set())
    process = subprocess.Popen(  # noqa: S603 - our own programs
        command, env=child_environment(extra), start_new_session=True
    )
    while process.poll() is None and not stopping.wait(0.2):
        pass
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return 0
    return process.returncode


def _kept_file(settings: Settings) -> Path:
    return settings.data_dir / "sandbox.json"


def _kept_traffic(settings: Settings) -> _Traffic | None:
    kept = _kept_file(settings)
    return _Traffic(**json.loads(kept.read_text())) if kept.exists() else None


def _keep_traffic(settings: Settings, traffic: _Traffic) -> None:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    _kept_file(settings).write_text(json.dumps(asdict(traffic), indent=1) + "\n")
    first_day = settings.data_dir / "first_day"
    if not first_day.exists():
        first_day.write_text(traffic.first_day + "\n")


def _need_sandbox() -> None:
    from importlib.util import find_spec  # noqa: PLC0415 - only here

    missing = [name for name in ("chdb", "hogql_parser", "pyarrow") if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"The sandbox needs {', '.join(missing)}: pip install 'leadpipe[sandbox]'"
        )


def _start_sandbox(traffic: _Traffic) -> "SandboxProcess":
    _need_sandbox()
    from leadpipe.sandbox.process import SandboxFailed, SandboxProcess  # noqa: PLC0415 - optional

    try:
        return SandboxProcess.start(
            port=traffic.port,
            events=traffic.events,
            days=traffic.days,
            seed=traffic.seed,
            end=datetime.fromisoformat(traffic.end),
        )
    except SandboxFailed as error:
        raise ConfigurationError(f"The PostHog sandbox did not start: {error}") from error


def _sandbox_environment(server: "SandboxProcess") -> dict[str, str]:
    return {
        "POSTHOG_API_KEY": server.api_key,
        "POSTHOG_PROJECT_ID": server.project_id,
        "POSTHOG_BASE_URL": server.url,
    }


def _with_sandbox(server: "SandboxProcess") -> Settings:
    return load_settings(
        **{name.lower(): value for name, value in _sandbox_environment(server).items()}
    )
