"""The demo's PostHog sandbox: what it is filled with, where that is kept, how it starts."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from leadpipe.errors import ConfigurationError
from leadpipe.settings import Settings, load_settings

if TYPE_CHECKING:
    from posthog_sandbox.process import SandboxProcess


@dataclass(frozen=True)
class Traffic:
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
        """The first day that has events."""
        return (datetime.fromisoformat(self.end) - timedelta(days=self.days)).date().isoformat()


def _kept_file(settings: Settings) -> Path:
    return settings.data_dir / "sandbox.json"


def kept_traffic(settings: Settings) -> Traffic | None:
    """What an earlier demo was filled with."""
    kept = _kept_file(settings)
    return Traffic(**json.loads(kept.read_text())) if kept.exists() else None


def keep_traffic(settings: Settings, traffic: Traffic) -> None:
    """Remember it for the next demo, and its first day for the partitions."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    _kept_file(settings).write_text(json.dumps(asdict(traffic), indent=1) + "\n")
    first_day = settings.data_dir / "first_day"
    if not first_day.exists():
        first_day.write_text(traffic.first_day + "\n")


def need_sandbox() -> None:
    """Say which libraries are missing.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    from importlib.util import find_spec  # noqa: PLC0415 - only here

    missing = [name for name in ("chdb", "hogql_parser", "pyarrow") if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"The sandbox needs {', '.join(missing)}: pip install 'leadpipe[sandbox]'"
        )


def start_sandbox(
    settings: Settings, traffic: Traffic, *, live: float = 0, webhook: str | None = None
) -> "SandboxProcess":
    """Start the demo's sandbox; its events stay in the data folder.

    Args:
        settings: where the data folder is.
        traffic: what it is filled with when it is new.
        live: further events a minute while it runs.
        webhook: where page views are posted as they come in.
    """
    need_sandbox()
    from posthog_sandbox.process import SandboxFailed, SandboxProcess  # noqa: PLC0415 - optional

    try:
        return SandboxProcess.start(
            port=traffic.port,
            events=traffic.events,
            days=traffic.days,
            seed=traffic.seed,
            end=datetime.fromisoformat(traffic.end),
            live=live,
            webhook=webhook,
            data_dir=settings.data_dir / "sandbox",
        )
    except SandboxFailed as error:
        raise ConfigurationError(f"The PostHog sandbox did not start: {error}") from error


def environment_for(server: "SandboxProcess") -> dict[str, str]:
    """The environment of a leadpipe that uses the sandbox."""
    return {
        "POSTHOG_API_KEY": server.api_key,
        "POSTHOG_PROJECT_API_KEY": server.project_api_key,
        "POSTHOG_PROJECT_ID": server.project_id,
        "POSTHOG_BASE_URL": server.url,
    }


def settings_for(server: "SandboxProcess") -> Settings:
    """The settings of a leadpipe that uses the sandbox."""
    return load_settings(**{name.lower(): value for name, value in environment_for(server).items()})
