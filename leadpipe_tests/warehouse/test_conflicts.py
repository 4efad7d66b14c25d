"""What a lake lets two transactions do at once: assumptions of the locks, which an upgrade may change.

Two transactions on one table, on days that do not meet; the first one commits first.
"""

from datetime import timedelta
from itertools import product

import pytest

from leadpipe.errors import WarehouseConflict
from leadpipe.events.wiping import note_deletion, wipe
from leadpipe.warehouse import owning, transaction
from leadpipe_tests.clocks import NOW

_WORK = {
    "append": "INSERT INTO {table} VALUES ({day}, 9)",
    "anti-join": "INSERT INTO {table} SELECT {day}, 8 WHERE 8 NOT IN (SELECT n FROM {table})",
    "update": "UPDATE {table} SET n = n + 1 WHERE day = {day}",
    "delete": "DELETE FROM {table} WHERE day = {day} AND n = 1",
    "replace": "DELETE FROM {table} WHERE day = {day}; INSERT INTO {table} VALUES ({day}, 7)",
}
_GO_TOGETHER = {
    ("append", "append"),
    ("append", "anti-join"),
    ("anti-join", "append"),
    ("anti-join", "anti-join"),
    ("delete", "delete"),
}


def work(name, day, table="t"):
    """One side's statements."""
    return _WORK[name].format(day=day, table=table)


def make(machine, table="t"):
    """A table with two days."""
    with machine.writing("maintenance") as connection:
        connection.execute(f"CREATE TABLE {table} (day INTEGER, n INTEGER)")
        connection.execute(f"ALTER TABLE {table} SET PARTITIONED BY (day)")
        connection.execute(f"INSERT INTO {table} SELECT 1 + i % 2, i // 2 FROM range(8) r(i)")


@pytest.fixture
def two_machines(machine):
    """Two machines that see a table of two days."""
    make(machine("one"))
    return machine("one"), machine("two")


def test_what_conflicts(two_machines):
    """Rows that are only added go together, even with those that are added twice; nearly all else conflicts.

    So two machines that add what they do not find would add it twice: only a lock prevents that.
    """
    one, two = two_machines
    went = set()
    for number, (first, second) in enumerate(product(_WORK, repeat=2)):
        table = f"t{number}"
        make(one, table)
        with one.connect() as a, two.connect() as b, owning(a, "door"), owning(b, "leads"):
            a.execute("BEGIN")
            b.execute("BEGIN")
            for connection, name, day in ((a, first, 1), (b, second, 2)):
                connection.execute(f"SELECT count(*) FROM {table}").fetchall()
                connection.execute(work(name, day, table))
            a.execute("COMMIT")
            try:
                b.execute("COMMIT")
                went.add((first, second))
            except Exception as error:  # noqa: BLE001 - told by its words
                assert "conflict" in str(error).lower()  # noqa: PT017
    assert went == _GO_TOGETHER


def test_an_event_that_two_add_is_there_twice(two_machines):
    """Without a lock the anti-join of two machines adds a row twice: what the lock of the door is for."""
    one, two = two_machines
    with one.connect() as a, two.connect() as b, owning(a, "door"), owning(b, "leads"):
        with transaction(b):
            b.execute("SELECT count(*) FROM t").fetchall()
            with transaction(a):
                a.execute(work("anti-join", 1))
            b.execute(work("anti-join", 2))
        assert a.execute("SELECT count(*) FROM t WHERE n = 8").fetchone() == (2,)


def test_a_conflict_has_its_error(two_machines):
    """The second update of a table is refused by an error that says that nothing was written."""
    one, two = two_machines
    with (
        one.connect() as a,
        two.connect() as b,
        owning(a, "door"),
        owning(b, "leads"),
        pytest.raises(WarehouseConflict, match="nothing was written"),
        transaction(b),
    ):
        b.execute(work("update", 2))
        with transaction(a):
            a.execute(work("update", 1))


def test_two_domains_delete_at_once(two_machines):
    """That something is to be wiped is noted by each, without a conflict; one wipe is for both."""
    one, two = two_machines
    with one.connect() as a, two.connect() as b, owning(a, "door"), owning(b, "delivery"):
        with transaction(b):
            note_deletion(b, now=NOW)
            with transaction(a):
                note_deletion(a, now=NOW + timedelta(seconds=1))
        assert a.execute("SELECT count(*) FROM deletions_to_wipe").fetchone() == (2,)
    assert (wipe(one), wipe(one)) == (True, False)
