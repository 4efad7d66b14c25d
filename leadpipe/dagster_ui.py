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
from urllib.parse import urlsplit

import dagster as dg
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.workspace.context import (
    BaseWorkspaceRequestContext,
    WorkspaceProcessContext,
    WorkspaceRequestContext,
)
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
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from leadpipe.errors import ConfigurationError
from leadpipe.settings import Settings, prepare_dagster
from leadpipe.web.access import admin_token
from leadpipe.web.caller import CALLER, Caller, Gate
from leadpipe.web.dagster_access import dagster_key
from leadpipe.web.dagster_runs import PERSON_TAG
from leadpipe.web.door import Door
from leadpipe.web.headers import UI_HEADERS, SecureHeaders
from leadpipe.web.logins import Logins
from leadpipe.web.names import is_loopback
from leadpipe.web.own_page import OnlyItsOwnPage, WithLogin
from leadpipe.web.roles import Role
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
    prefix = PREFIX if is_public else ""
    guarded = _guard(own, is_public=is_public, prefix=prefix)
    listener = listen(host, port, option="--port")
    prepare_dagster(home)
    level = "INFO" if is_verbose else "WARNING"
    configure_loggers(log_level=level)
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
        _ByRole(
            _tagging(instance),
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


def _guard(
    settings: WebSettings, *, is_public: bool, prefix: str
) -> Callable[[ASGIApp, Needs], ASGIApp]:
    """What is put before Dagster's application, the outermost last."""
    check_length("LEADPIPE_SSO_SECRET", settings.sso_secret)
    token = admin_token(settings, is_public=is_public)
    believed = settings.sign_on(is_public=is_public)
    key = dagster_key(settings.data_dir)
    signing = signing_key(settings.data_dir, token)
    logins = Logins(settings.data_dir / "logins.sqlite")
    gate = Gate(logins, token, believed, lambda: datetime.now(UTC))

    def guarded(app: ASGIApp, needs: Needs) -> ASGIApp:
        inner: ASGIApp = OnlyItsOwnPage(app)
        inner = WithLogin(inner, gate, key, prefix, needs)
        inner = SignedSessions(inner, key=signing)
        inner = SecureHeaders(inner, UI_HEADERS)
        return Door(
            inner,
            is_public=is_public,
            names=_names(settings),
            proxies=settings.proxies,
            sign_on=believed,
            sign_on_proxies=settings.sign_on_proxies,
        )

    return guarded


class _PersonsContext(WorkspaceRequestContext):
    """A request's context that tags backfills with who starts them."""

    def get_viewer_tags(self) -> dict[str, str]:
        return _tags(self)

    def reload_code_location(self, name: str) -> BaseWorkspaceRequestContext:
        self.process_context.reload_code_location(name)
        return self._again()

    def reload_workspace(self) -> BaseWorkspaceRequestContext:
        self.process_context.reload_workspace()
        return self._again()

    def _again(self) -> BaseWorkspaceRequestContext:
        """The context after a reload, for the same person."""
        context: BaseWorkspaceRequestContext = self.process_context.create_request_context(
            self.source
        )
        return context


class _ByRole(WorkspaceProcessContext):
    """Dagster's context, which shows and does nothing but reading for whom is no operator."""

    def create_request_context(self, source: object | None = None) -> WorkspaceRequestContext:
        caller = _caller(source)
        return _PersonsContext(
            instance=self.instance,
            current_workspace=self.get_current_workspace(),
            process_context=self,
            version=self.version,
            source=source,
            read_only=caller is None or not caller.may(Role.OPERATOR),
        )


def _tagging(instance: dg.DagsterInstance) -> dg.DagsterInstance:
    """The instance, which tags the runs that people start here. Dagster has no hook of its own for these."""
    submit = instance.submit_run

    def submit_tagged(run_id: str, workspace: BaseWorkspaceRequestContext) -> dg.DagsterRun:
        if tags := _tags(workspace):
            instance.add_run_tags(run_id, tags)
        return submit(run_id, workspace)

    instance.submit_run = submit_tagged  # type: ignore[method-assign]
    return instance


def _tags(context: BaseWorkspaceRequestContext) -> dict[str, str]:
    caller = _caller(getattr(context, "source", None))
    return {PERSON_TAG: caller.name} if caller and caller.name else {}


def _caller(source: object) -> Caller | None:
    """Who makes the request that a context was made for."""
    found = source.scope.get(CALLER) if isinstance(source, HTTPConnection) else None
    return found if isinstance(found, Caller) else None


def _names(settings: WebSettings) -> tuple[str, ...]:
    """Those that people type, and the one by which the page calls, which may be another container."""
    by_the_page = urlsplit(settings.dagster_url).hostname
    return (*settings.names, by_the_page) if settings.names and by_the_page else settings.names


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
