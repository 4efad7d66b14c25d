"""Recording that is killed at any moment, again and again, leaves each result in PostHog exactly once."""

import random
import signal
import subprocess

from leadpipe.draws.prizes import Tier
from leadpipe_tests.dagster_ui.processes import environment, program, wait_for
from leadpipe_tests.draws.builders import DRAW_DATE, give_entries, make_draw, msisdn
from leadpipe_tests.events.builders import rows
from leadpipe_tests.posthog_sandbox.asking import rows as asked
from posthog_sandbox.process import SandboxProcess

PLACES, KILLS, LONGEST_SECONDS = 60, 4, 1.2
# Three results a round instead of a hundred, so that kills meet half-recorded draws.
RECORD = [
    "-c",
    f"""
import leadpipe.draws.recording as recording
from leadpipe.cli import main
recording._EVENTS_AT_ONCE = 3
main(["draws", "record", "{DRAW_DATE}"])
""",
]


def test_killed_recordings_record_each_result_once(sandbox, warehouse, tmp_path):
    """Killed at random moments and started again: every winner and runner-up, no uuid twice."""
    give_entries(warehouse, {msisdn(n): 1 + n for n in range(200)})
    make_draw(warehouse, (Tier(1, "Airtime", 100, PLACES - 20, 20),))
    env = environment(
        sandbox,
        POSTHOG_PROJECT_API_KEY=sandbox.project_api_key,
        LEADPIPE_DATA_DIR=str(tmp_path / "data"),
    )
    sandbox.control.fault("stall", match="leadpipe: events that arrived", seconds=0.03, times=-1)
    moments = random.Random(2026)
    killed, seen = 0, []
    for attempt in range(KILLS):
        sandbox.control.clear_requests()
        log = tmp_path / f"log-{attempt}"
        with program(RECORD, log=log, cwd=tmp_path, env=env) as process:
            _wait_until_it_asks(sandbox, process)
            try:
                process.wait(moments.uniform(0, LONGEST_SECONDS))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait(10)
                killed += 1
        seen.append(len(_recorded(sandbox)))
    sandbox.control.clear_faults()
    with program(RECORD, log=tmp_path / "log", cwd=tmp_path, env=env) as process:
        assert process.wait(60) == 0, (tmp_path / "log").read_text()

    assert killed >= KILLS // 2
    assert any(0 < count < PLACES for count in seen), seen
    expected = rows(warehouse, "SELECT event_uuid::VARCHAR FROM draw_winners ORDER BY 1")
    assert [(uuid,) for uuid in _recorded(sandbox)] == expected
    assert rows(warehouse, "SELECT count(recorded_at) FROM draw_winners") == [(PLACES,)]


def _wait_until_it_asks(sandbox: SandboxProcess, process: subprocess.Popen[bytes]) -> None:
    """Python takes a while to start; kills there would prove nothing."""
    wait_for(
        "the first question",
        lambda: sandbox.control.requests() != [] or process.poll() is not None or None,
        seconds=60,
    )


def _recorded(sandbox: SandboxProcess) -> list[str]:
    """The uuids of results in PostHog, as it counts them."""
    found = asked(
        sandbox,
        "SELECT DISTINCT toString(uuid) FROM events "
        "WHERE event IN ('draw_winner', 'draw_runner_up') ORDER BY 1 LIMIT 999",
    )
    return [uuid for (uuid,) in found]
