"""`leadpipe up`: the Dagster UI and the web page together, and nothing left when they are stopped."""

import os
import signal
import socket
import subprocess
import sys

import httpx
from click.testing import CliRunner

import leadpipe.cli
from leadpipe_tests.dagster_ui.processes import answers, environment, free_port, wait_for


def test_up_starts_both_and_ctrl_c_stops_both(machine_clock, sandbox, tmp_path):
    """Page and UI answer; the page knows the UI's address; one SIGINT ends all, with exit code 0."""
    ui, page = free_port(), free_port()
    log = tmp_path / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "leadpipe", "up", "--port", str(ui), "--page-port", str(page)],
            cwd=tmp_path,
            env=environment(
                sandbox,
                DAGSTER_HOME="",
                LEADPIPE_DATA_DIR=str(tmp_path / "data"),
                PYTHONWARNINGS="ignore",  # of what Dagster imports
            ),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for("the page", lambda: answers(f"http://127.0.0.1:{page}/admin/sync"), seconds=90)
        wait_for("the UI", lambda: answers(f"http://127.0.0.1:{ui}/server_info"), seconds=120)
        answer = wait_for(
            "a sync through the UI",
            lambda: _synced(f"http://127.0.0.1:{page}/api/cron/analytics"),
            seconds=120,
            every=2,
        )
        assert (answer["success"], answer["events_new"]) == (True, 0)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()[-2_000:]
        assert answers(f"http://127.0.0.1:{page}/healthz") is None
        assert answers(f"http://127.0.0.1:{ui}/server_info") is None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def _synced(url):
    answer = httpx.post(url, timeout=120, trust_env=False)
    return answer.json() if answer.status_code == 200 else None


def test_a_taken_port_is_said_in_a_line():
    """Before anything is started; Dagster itself would end with a traceback and exit code 0."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(leadpipe.cli.main, ["up", "--port", str(port)])
    assert result.exit_code == 1
    assert f"Port {port} cannot be used" in result.stderr
