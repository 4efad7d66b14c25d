"""What a lake lets two transactions do at once: assumptions of the locks, which an upgrade may change.

Two transactions on one table, on days that do not meet; the first one commits first.
"""

from itertools import product

import pytest

from leadpipe.errors import WarehouseConflict
from leadpipe.warehouse import owning, transaction

_WORK = {
    "append": "INSERT INTO t VALUES ({day}, 9)",
    "anti-join": "INSERT INTO t SELECT {day}, 8 WHERE 8 NOT IN (SELECT n FROM t)",
    "update": "UPDATE t SET n = n + 1 WHERE day = {day}",
    "delete": "DELETE FROM t WHERE day = {day} AND n = 1",
    "replace": "DELETE FROM t WHERE day = {day}; INSERT INTO t VALUES ({day}, 7)",
}
_GO_TOGETHER = {
    ("append", "append"),
    ("append", "anti-join"),
    ("anti-join", "append"),
    ("anti-join", "anti-join"),
    ("delete", "delete"),
}


@pytest.fixture
def table(machine):
    """A table with two days, and two machines that see it."""
    one = machine("one")
    with one.writing("maintenance") as connection:
        connection.execute("CREATE TABLE t (day INTEGER, n INTEGER)")
        connection.execute("ALTER TABLE t SET PARTITIONED BY (day)")
    with one.writing("maintenance") as connection:
        connection.execute("INSERT INTO t SELECT 1 + i % 2, i // 2 FROM range(8) r(i)")
    return one, machine("two")


def test_what_conflicts(table):
    """Rows that are only added go together, even with those that are added twice; nearly all else conflicts.

    So two machines that add what they do not find would add it twice: only a lock prevents that.
    """
    one, two = table
    went = set()
    for first, second in product(_WORK, repeat=2):
        with one.connect() as a, two.connect() as b, owning(a, "door"), owning(b, "leads"):
            a.execute("BEGIN")
            b.execute("BEGIN")
            for connection, work, day in ((a, first, 1), (b, second, 2)):
                connection.execute("SELECT count(*) FROM t").fetchall()
                connection.execute(_WORK[work].format(day=day))
            a.execute("COMMIT")
            try:
                b.execute("COMMIT")
                went.add((first, second))
            except Exception as error:  # noqa: BLE001 - told by its words
                assert "conflict" in str(error).lower()  # noqa: PT017
    assert went == _GO_TOGETHER


def test_an_event_that_two_add_is_there_twice(table):
    """Without a lock the anti-join of two machines adds a row twice: what the lock of the door is for."""
    one, two = table
    with one.connect() as a, two.connect() as b, owning(a, "door"), owning(b, "leads"):
        with transaction(b):
            b.execute("SELECT count(*) FROM t").fetchall()
            with transaction(a):
                a.execute(_WORK["anti-join"].format(day=1))
            b.execute(_WORK["anti-join"].format(day=2))
        assert a.execute("SELECT count(*) FROM t WHERE n = 8").fetchone() == (2,)


def test_a_conflict_has_its_error(table):
    """The second update of a table is refused by an error that says that nothing was written."""
    one, two = table
    with (
        one.connect() as a,
        two.connect() as b,
        owning(a, "door"),
        owning(b, "leads"),
        pytest.raises(WarehouseConflict, match="nothing was written"),
        transaction(b),
    ):
        b.execute(_WORK["update"].format(day=2))
        with transaction(a):
            a.execute(_WORK["update"].format(day=1))
