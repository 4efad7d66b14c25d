"""Dagster's own web server behind leadpipe's door: the same hosts, the same login, commands of its page only.

The server is a Starlette application, so it is wrapped, not proxied. Belongs here: how it and the daemon are
started. Does not belong here: who is let in (`leadpipe/web/door.py`, `leadpipe/web/own_page.py`).
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from subprocess import Popen, TimeoutExpired

import dagster as dg
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import (
    ModuleTarget,
    WorkspaceFileTarget,
    WorkspaceLoadTarget,
)
from dagster._serdes import serialize_value
from dagster._utils.log import configure_loggers
from dagster_shared.ipc import (
    get_ipc_shutdown_pipe,
    open_ipc_subprocess,
    send_ipc_shutdown_message,
)
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.types import ASGIApp

from leadpipe.errors import ConfigurationError
from leadpipe.settings import Settings, prepare_dagster
from leadpipe.web.access import admin_token
from leadpipe.web.dagster_access import dagster_key
from leadpipe.web.door import Door
from leadpipe.web.headers import UI_HEADERS, SecureHeaders
from leadpipe.web.logins import Logins
from leadpipe.web.names import is_loopback
from leadpipe.web.own_page import OnlyItsOwnPage, WithLogin
from leadpipe.web.server import address_of, listen, run_until_signal
from leadpipe.web.sessions import SignedSessions, signing_key
from leadpipe.web.settings import PREFIX, WebSettings
from leadpipe.web.signing import check_length
from leadpipe.web.status import Needs

_DEFINITIONS = "leadpipe.definitions"
_POLL_MS = 2_000
_STOP_SECONDS = 20.0


def serve_dagster(
    settings: Settings,
    *,
    home: Path,
    host: str,
    port: int,
    workspace: Path | None,
    with_daemon: bool,
    is_verbose: bool,
    say: Callable[[str], None],
) -> None:
    """Serve the Dagster UI until a signal.

    Args:
        settings: who may come in; all sections.
        home: the folder with `dagster.yaml`.
        host: where it listens. On another than loopback it wants a login.
        port: its port; 0 for any free one.
        workspace: a Dagster workspace file, by default leadpipe's definitions alone.
        with_daemon: run schedules and sensors as well, from the same code server.
        is_verbose: log what the daemon and the UI do; else only what goes wrong.
        say: told where the UI is.

    Raises:
        ConfigurationError: the port is taken, or a setting cannot be used.
    """
    own = settings.of(WebSettings)
    is_public = own.is_public or not is_loopback(host)
    check_length("LEADPIPE_ADMIN_TOKEN", own.admin_token)
    guarded = _guard(own, is_public=is_public)
    listener = listen(host, port, option="--port")
    prepare_dagster(home)
    level = "INFO" if is_verbose else "WARNING"
    configure_loggers(log_level=level)
    prefix = PREFIX if is_public else ""
    target: WorkspaceLoadTarget = (
        WorkspaceFileTarget([str(workspace)])
        if workspace
        else ModuleTarget(_DEFINITIONS, None, None, None)
    )
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        _shared_code(instance, target, level) if with_daemon else nullcontext() as shared,
        _daemon(instance, shared, is_verbose=is_verbose)
        if shared
        else nullcontext(lambda: False) as has_ended,
        WorkspaceProcessContext(
            instance,
            WorkspaceFileTarget([str(shared)]) if shared else target,
            version=dg.__version__,
            code_server_log_level=level,
        ) as context,
    ):
        say(f"Dagster UI: {address_of(host, listener)}{prefix}")
        app = create_app_from_workspace_process_context(context, prefix, _POLL_MS)
        door = guarded(app, _needs(instance, context))
        run_until_signal(door, listener, own, is_ending=has_ended)


def _needs(instance: dg.DagsterInstance, context: WorkspaceProcessContext) -> Needs:
    """What Dagster's web server cannot work without: its own storage, and leadpipe's definitions loaded."""

    def definitions() -> None:
        entries = context.create_request_context().get_code_location_entries().values()
        if not entries or any(entry.load_error for entry in entries):
            raise ConfigurationError(
                "the definitions could not be loaded; see Deployment in the UI"
            )

    return {"runs": partial(instance.get_runs, limit=1), "definitions": definitions}


def _guard(settings: WebSettings, *, is_public: bool) -> Callable[[ASGIApp, Needs], ASGIApp]:
    """What is put before Dagster's application, the outermost last."""
    token = admin_token(settings, is_public=is_public)
    key = dagster_key(settings.data_dir) if token else None
    signing = signing_key(settings.data_dir, token)
    logins = Logins(settings.data_dir / "logins.sqlite")

    def guarded(app: ASGIApp, needs: Needs) -> ASGIApp:
        inner: ASGIApp = OnlyItsOwnPage(app)
        inner = WithLogin(inner, logins, token, key, lambda: datetime.now(UTC), needs)
        inner = SignedSessions(inner, key=signing)
        inner = SecureHeaders(inner, UI_HEADERS)
        return Door(inner, is_public=is_public, names=settings.names, proxies=settings.proxies)

    return guarded


@contextmanager
def _shared_code(
    instance: dg.DagsterInstance, target: WorkspaceLoadTarget, level: str
) -> Iterator[Path]:
    """A code server for the UI and the daemon, as `dagster dev` has it; the workspace file that names it."""
    with (
        ProxyServerManager(instance, target, code_server_log_level=level) as servers,
        tempfile.TemporaryDirectory() as folder,
    ):
        file = Path(folder) / "workspace.yaml"
        file.write_text(json.dumps({"load_from": servers.get_code_server_specs()}))
        yield file


@contextmanager
def _daemon(
    instance: dg.DagsterInstance, workspace: Path, *, is_verbose: bool
) -> Iterator[Callable[[], bool]]:
    """The daemon in a process of its own, ended on leaving; gives whether it has ended before.

    Its warnings are of its own beginnings, such as that no run has failed yet.
    """
    told, tell = get_ipc_shutdown_pipe()
    process: Popen[bytes] = open_ipc_subprocess(
        [
            *(
                sys.executable,
                "-m",
                "dagster._daemon",
                "run",
                "--log-level",
                "info" if is_verbose else "error",
            ),
            *("--shutdown-pipe", str(told), "--workspace", str(workspace)),
            *("--instance-ref", serialize_value(instance.get_ref())),
        ],
        pass_fds=[told],
    )
    try:
        yield lambda: process.poll() is not None
    finally:
        send_ipc_shutdown_message(tell)
        try:
            process.wait(_STOP_SECONDS)
        except TimeoutExpired:
            process.kill()
            process.wait()
