"""Who works on a run, seen from another machine: a lock in a real PostgreSQL."""

import subprocess
import sys
import uuid

import psycopg
import pytest

from leadpipe.cluster.lives import PostgresLives
from leadpipe_tests.dagster_ui.processes import wait_for

_RUN = str(uuid.uuid4())
_HOLDER = """
import sys
from leadpipe.cluster.lives import PostgresLives
held = PostgresLives(sys.argv[1]).hold(sys.argv[2])
sys.stdout.write("held"), sys.stdout.flush()
sys.stdin.read()
"""


@pytest.fixture
def lives(postgres):
    """Lives in a database of the test's own."""
    return PostgresLives(postgres.new_database())


def test_who_is_asked_holds_nothing(lives):
    """Asking leaves no lock behind, also between two who ask at once; another run's lock is another one."""
    assert not lives.is_living(_RUN)
    with lives.holding(_RUN):
        assert lives.is_living(_RUN)
        assert lives.is_living(_RUN)
        assert not lives.is_living(str(uuid.uuid4()))
    assert not lives.is_living(_RUN)


def test_a_killed_process_lives_no_more(lives):
    """However it ends: nobody has to let go."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, lives.postgres, _RUN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"held"
        assert lives.is_living(_RUN)
        process.kill()
    wait_for("its end", lambda: None if lives.is_living(_RUN) else True, seconds=10)


def test_a_lost_session_is_no_death(lives, monkeypatch):
    """A lock whose session PostgreSQL has ended is taken again by the process that lives."""
    monkeypatch.setattr("leadpipe.cluster.lives._LOOK_SECONDS", 0.05)
    with lives.holding(_RUN):
        with psycopg.connect(lives.postgres, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        wait_for("its lock again", lambda: lives.is_living(_RUN) or None, seconds=10)
    assert not lives.is_living(_RUN)
