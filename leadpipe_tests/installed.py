"""leadpipe as those have it who install it from its wheel: no clone, an empty folder, nothing configured.

    python -m leadpipe_tests.installed

installs it with pipx and everything it needs from the package index, newest versions, runs it with `uvx`, and
looks with `dg` at a clone. `leadpipe_tests/test_installed.py` does the same without the network.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from leadpipe_tests.dagster_ui.processes import (
    REPOSITORY,
    DagsterUi,
    answers,
    free_port,
    wait_for,
)

_SOURCES = (
    *("leadpipe", "posthog_sandbox", "deploy", "CHANGELOG.md", "LICENSE", "NOTICE", "README.md"),
    *("requirements-production.lock", "requirements-build.lock", "pyproject.toml", "Makefile"),
    *("dagster.yaml", "workspace.yaml", ".dockerignore", ".env.example", "docs/tables.md"),
)
_MOST_SECONDS = 120
_INSTALL_SECONDS = 600
_KNOWN = """{
  workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } }
  runsOrError { ... on Runs { results { jobName status } } }
  assetNodeOrError(assetKey: {path: ["raw_events"]}) {
    ... on AssetNode { partitionStats { numMaterialized numPartitions } }
  }
  schedulesOrError(repositorySelector: {
    repositoryName: "__repository__", repositoryLocationName: "leadpipe.definitions"
  }) { ... on Schedules { results { scheduleState { status } } } }
}"""


class NotTried(Exception):  # noqa: N818 - says what is the case
    """A way of installing that this machine does not have."""


def new_user(**extra: object) -> dict[str, str]:
    """An environment in which nothing of leadpipe or Dagster is configured, nor this repository known."""
    ours = ("LEADPIPE_", "POSTHOG_", "DAGSTER_", "PYTHON", "VIRTUAL_ENV", "PIPX_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {name: str(value) for name, value in extra.items()}


def typed(
    *words: object, cwd: Path, env: dict[str, str] | None = None, seconds: float = _MOST_SECONDS
) -> str:
    """Run a program to its end, as a new user; what it printed."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=env or new_user(),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def copy_sources(folder: Path) -> Path:
    """Copy what wheel and source archive are made of to `folder`/clone."""
    clone = folder / "clone"
    clone.mkdir()
    for name in _SOURCES:
        if (REPOSITORY / name).is_dir():
            unwanted = shutil.ignore_patterns("__pycache__")
            shutil.copytree(REPOSITORY / name, clone / name, ignore=unwanted)
        else:
            (clone / name).parent.mkdir(exist_ok=True)
            shutil.copy(REPOSITORY / name, clone / name)
    return clone


def build_wheel(folder: Path) -> Path:
    """Build it from a copy of the sources in `folder`/clone."""
    clone = copy_sources(folder)
    typed(sys.executable, "-m", "hatchling", "build", "-t", "wheel", cwd=clone)
    [wheel] = (clone / "dist").glob("*.whl")
    return wheel


def try_it(leadpipe: Path, folder: Path) -> None:
    """`demo` and `up` in an empty folder: page and UI answer and know the demo's runs; Ctrl-C ends all."""
    said = typed(
        *(leadpipe, "demo", "--events", 1_000, "--days", 3, "--port", free_port()), cwd=folder
    )
    assert "days complete" in said, said
    assert {path.name for path in folder.iterdir()} == {"dagster.yaml", "data"}
    ui_port, page_port = free_port(), free_port()
    ui, page = DagsterUi(f"http://127.0.0.1:{ui_port}"), f"http://127.0.0.1:{page_port}"
    log = folder / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [leadpipe, "up", "--port", str(ui_port), "--page-port", str(page_port)],
            cwd=folder,
            env=new_user(),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for(
            "ready, or ended",
            lambda: "Ready" in log.read_text() or process.poll() is not None or None,
            seconds=_MOST_SECONDS,
        )
        assert process.poll() is None, log.read_text()
        assert answers(f"{page}/admin/sync")
        _assert_that_all_is_known(ui)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
    assert not answers(f"{page}/healthz")
    assert not answers(f"{ui.url}/server_info")
    for line in (f"Dagster UI: {ui.url}", f"Page: {page}/"):
        assert line in log.read_text(), log.read_text()
    assert "superseded" not in log.read_text(), log.read_text()


def _assert_that_all_is_known(ui: DagsterUi) -> None:
    known = ui.ask(_KNOWN)
    [location] = known["workspaceOrError"]["locationEntries"]
    assert location["locationOrLoadError"]["__typename"] == "RepositoryLocation", location
    runs = {(run["jobName"], run["status"]) for run in known["runsOrError"]["results"]}
    assert runs >= {("sync", "SUCCESS"), ("visitors", "SUCCESS")}, runs
    days = known["assetNodeOrError"]["partitionStats"]
    assert days["numMaterialized"] == days["numPartitions"] > 0, days
    schedules = known["schedulesOrError"]["results"]
    assert {one["scheduleState"]["status"] for one in schedules} == {"RUNNING"}, schedules


def _with_pipx(wheel: Path, folder: Path) -> None:
    typed(sys.executable, "-m", "venv", folder / "tools", cwd=folder)
    tools = folder / "tools" / "bin"
    typed(tools / "pip", "install", "--quiet", "pipx", cwd=folder, seconds=_INSTALL_SECONDS)
    env = new_user(
        PIPX_HOME=folder / "pipx", PIPX_BIN_DIR=folder / "bin", PIPX_MAN_DIR=folder / "man"
    )
    typed(
        *(tools / "pipx", "install", "--python", sys.executable, f"{wheel}[sandbox]"),
        cwd=folder,
        env=env,
        seconds=_INSTALL_SECONDS,
    )
    empty = folder / "empty"
    empty.mkdir()
    try_it(folder / "bin" / "leadpipe", empty)


def _with_uvx(wheel: Path, folder: Path) -> None:
    """`uvx --from WHEEL leadpipe`, as those type it who have uv and no clone."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise NotTried("there is no uv; UV names one that is elsewhere")
    env = new_user(UV_TOOL_DIR=folder / "uv", UV_NO_CONFIG=1)
    said = typed(
        *(uv, "tool", "run", "--python", sys.executable, "--from", wheel, "leadpipe", "--version"),
        cwd=folder,
        env=env,
        seconds=_INSTALL_SECONDS,
    )
    assert f"leadpipe, version {wheel.name.split('-')[1]}\n" in said, said


def _with_dg(wheel: Path, folder: Path) -> None:
    typed(sys.executable, "-m", "venv", folder / "dg", cwd=folder)
    tools = folder / "dg" / "bin"
    typed(
        *(tools / "pip", "install", "--quiet", wheel, "dagster-dg-cli"),
        cwd=folder,
        seconds=_INSTALL_SECONDS,
    )
    for words in (("check", "defs"), ("list", "defs")):
        typed(tools / "dg", *words, cwd=folder / "clone")


def main() -> None:
    """Install it with pipx, run it with uvx, look at a clone with dg; a line each with its seconds."""
    with tempfile.TemporaryDirectory(prefix="leadpipe-installed-") as name:
        folder = Path(name)
        wheel = build_wheel(folder)
        for what, trial in (
            ("pipx install, demo, up", _with_pipx),
            ("uvx --from", _with_uvx),
            ("dg check", _with_dg),
        ):
            begun = time.monotonic()
            try:
                trial(wheel, folder)
            except NotTried as error:
                sys.stdout.write(f"{what}: NOT TRIED, {error}\n")
            else:
                sys.stdout.write(f"{what}: ok, {time.monotonic() - begun:.0f} s\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
