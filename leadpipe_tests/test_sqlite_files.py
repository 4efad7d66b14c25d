"""leadpipe's own SQLite files, opened by several at once."""

import sqlite3
import threading
from contextlib import closing

import pytest

from leadpipe.delivery.handovers import HandOvers
from leadpipe.inbox.store import Inbox
from leadpipe.leads.edits import LeadEdits
from leadpipe.sqlite_files import connect, transaction
from leadpipe.web.login_file import opened


def _open_login(path):
    with opened(path) as connection:
        connection.execute("SELECT count(*) FROM people").fetchone()


FILES = {
    "inbox": lambda path: Inbox(path).waiting_events(),
    "hand-overs": lambda path: HandOvers(path).forget_aside(),
    "edits": lambda path: LeadEdits(path).of("nobody"),
    "logins": _open_login,
}


@pytest.mark.parametrize("name", FILES)
def test_somebody_else_makes_the_file_in_the_same_moment(tmp_path, name):
    """Who opens a new file while another one reads it waits; SQLite itself would refuse at once."""
    path = tmp_path / "new.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE something (number INTEGER)")
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM something").fetchone()  # holds the file as it is
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            sqlite3.connect(path, timeout=0).execute("PRAGMA journal_mode = WAL")
        released = threading.Timer(0.2, lambda: other.execute("COMMIT"))
        released.start()
        try:
            FILES[name](path)
        finally:
            released.join()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_nobody_lets_go(tmp_path):
    """A file that stays locked is an error after the time to wait, not an endless wait."""
    path = tmp_path / "new.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE something (number INTEGER)")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            connect(path, busy_seconds=0.05)


def test_a_transaction_that_fails_leaves_nothing(tmp_path):
    """What was written before an error is taken back."""
    with closing(connect(tmp_path / "some.sqlite", "CREATE TABLE t (n INTEGER)")) as connection:
        with pytest.raises(ZeroDivisionError), transaction(connection):
            connection.execute("INSERT INTO t VALUES (1)")
            raise ZeroDivisionError
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
