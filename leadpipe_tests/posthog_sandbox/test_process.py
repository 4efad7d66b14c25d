"""The process: ready, refused, ended, with nothing left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from leadpipe_tests.posthog_sandbox.asking import rows
from posthog_sandbox.control import SandboxControl
from posthog_sandbox.process import SandboxFailed, SandboxProcess

_AT = datetime(2026, 11, 1, tzinfo=UTC)
_ROOT = Path(__file__).parents[2]
_COMMAND = [sys.executable, "-m", "posthog_sandbox"]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_COMMAND, *arguments], capture_output=True, text=True, cwd=_ROOT, timeout=60, check=False
    )


def _start(temporary: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*_COMMAND, "--port", "0", "--events", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
    )


def _announced(process: subprocess.Popen[str]) -> list[str]:
    """What it says when it is ready."""
    assert process.stdout is not None
    return [process.stdout.readline().rstrip("\n") for _ in range(4)]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def _wait_until_gone(pid: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while _is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.05)


def test_it_starts_with_traffic_and_a_live_trickle() -> None:
    """Ready, with events, key and project as asked for."""
    with SandboxProcess.start(
        events=2_000, days=10, live=10, api_key="phx_mine", project_id="42", seed=2
    ) as process:
        assert rows(process, "SELECT count() > 1900 FROM events") == [[1]]
        assert process.control.truth()["events"] == 2_000
        deadline = time.monotonic() + 60
        while process.control.stats()["rows"] == 2_000:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        now = datetime.now(UTC)
        process.control.set_clock(now + timedelta(hours=1))
        fresh = f"SELECT count() FROM events WHERE timestamp > toDateTime('{now.isoformat()}')"
        ((count,),) = rows(process, fresh)
        assert 450 < count < 750
    assert not _is_running(process.pid)


def test_stopping_twice_is_no_mistake() -> None:
    """stop() and the context manager go together."""
    process = SandboxProcess.start(end=datetime(2026, 1, 1, tzinfo=UTC))
    process.stop()
    process.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{process.url}/_health")


def test_it_says_how_to_reach_it_and_leaves_nothing(tmp_path: Path) -> None:
    """Address and keys, nothing more; SIGTERM ends it with 0 and removes ClickHouse's directory."""
    process = _start(tmp_path)
    line, *keys = _announced(process)
    assert line.startswith("sandbox ready at http://127.0.0.1:")
    assert keys == [
        "  personal API key  phx_sandbox",
        "  project id        1",
        "  project API key   phc_sandbox (any other is taken too)",
    ]
    assert [path.name.startswith("posthog-sandbox-") for path in tmp_path.iterdir()] == [True]
    assert httpx.get(f"{line.split()[-1]}/_health").text == "ok"
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_it_too(tmp_path: Path) -> None:
    """Without a traceback."""
    process = _start(tmp_path)
    _announced(process)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, "", "")


def test_it_ends_with_its_parent() -> None:
    """A test run that is killed leaves no server."""
    script = (
        "from posthog_sandbox.process import SandboxProcess\n"
        "import os\n"
        "process = SandboxProcess.start()\n"
        "print(process.pid, flush=True)\n"
        "os._exit(0)\n"
    )
    parent = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=_ROOT,
        timeout=60,
        check=True,
    )
    _wait_until_gone(int(parent.stdout))


def test_a_port_in_use_is_named() -> None:
    """Which port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = _run("--port", str(port), "--events", "0")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr == (
            f"Port {port} on 127.0.0.1 cannot be used (Address already in use). Another program "
            "may have it; choose another with --port, or --port 0 for any.\n"
        )
        with pytest.raises(SandboxFailed, match=f"exit code 1. Its last words:\nPort {port} on "):
            SandboxProcess.start(port=port)


def test_other_hosts_are_refused() -> None:
    """Loopback only, unless one insists."""
    ended = _run("serve", "--host", "0.0.0.0")
    assert ended.returncode == 1
    assert ended.stderr.startswith("0.0.0.0 is not a loopback address and the sandbox has no real")


def test_too_little_time_to_start_is_said() -> None:
    """And the process does not linger."""
    with pytest.raises(SandboxFailed, match="not ready in time; give it fewer events or a longer"):
        SandboxProcess.start(startup_timeout=0.01)


def test_a_directory_given_is_kept(tmp_path: Path) -> None:
    """--data-dir survives the process with its events and merges; nothing is generated on top."""
    person = "00000000-0000-4000-8000-00000000aaaa"
    for _ in range(2):
        process = _start(
            tmp_path, "--events", "300", "--days", "2", "--data-dir", str(tmp_path / "data")
        )
        with SandboxControl(_announced(process)[0].split()[-1]) as control:
            stored = control.stats()["rows"]
            renamed = control.insert([{"event": "e", "timestamp": _AT, "distinct_id": "anna"}])
            control.rename_person("anna", person)
        process.terminate()
        assert process.communicate(timeout=60) == ("", "")
    assert (stored, len(renamed)) == (301, 1)


def test_parquet_on_the_command_line(tmp_path: Path) -> None:
    """Writes files and says how many rows."""
    out = tmp_path / "out"
    ended = _run(
        "parquet", "--events", "200", "--days", "2", "--end", "2026-11-21", "--out", str(out)
    )
    assert (ended.returncode, ended.stdout) == (0, f"200 rows in {out}\n")
    assert len(list(out.glob("*.parquet"))) == 2


def test_missing_libraries_are_named(tmp_path: Path) -> None:
    """The extra to install; nothing is left behind."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "chdb.py").write_text("raise ModuleNotFoundError(\"No module named 'chdb'\")\n")
    ended = subprocess.run(
        [*_COMMAND, "--events", "0"],
        capture_output=True,
        text=True,
        cwd=_ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(tmp_path), os.environ["PYTHONPATH"])),
            "TMPDIR": str(temporary),
        },
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (
        1,
        (
            "The sandbox needs more libraries: pip install 'leadpipe[sandbox]' "
            "(No module named 'chdb').\n"
        ),
    )
    assert list(temporary.iterdir()) == []


def test_the_process_module_needs_none_of_them() -> None:
    """Importing what starts a sandbox imports neither ClickHouse nor a web server."""
    script = (
        "import sys, posthog_sandbox.process\n"
        "print({'chdb', 'numpy', 'pyarrow', 'starlette', 'uvicorn'} & set(sys.modules))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=_ROOT, check=True
    )
    assert ended.stdout == "set()\n"
