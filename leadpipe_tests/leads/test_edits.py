"""Edits, in a file or in PostgreSQL: versions, conflicts, one change once, undo, many writers, erasing."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from leadpipe.errors import ConfigurationError
from leadpipe.leads.edits import ERASED, NEVER, Change, Edit, EditsUnavailable, LeadEdits
from leadpipe_tests.clocks import NOW

_LATER = NOW + timedelta(minutes=2)


@pytest.fixture
def in_file(tmp_path):
    """An empty file of edits."""
    return LeadEdits(tmp_path / "data" / "lead_edits.sqlite")


@pytest.fixture
def in_postgres(tmp_path, postgres):
    """No edits, in a database that several machines share."""
    return LeadEdits(tmp_path / "data" / "lead_edits.sqlite", postgres.new_database())


@pytest.fixture(params=["file", "postgres"])
def edits(request):
    """No edits, wherever they are kept."""
    return request.getfixturevalue(f"in_{request.param}")


def status(edit_id, value, version=None, *, lead="lead-1", published=None):
    """A change of a lead's status."""
    return Change(edit_id, lead, "status", value, version, published)


def note(edit_id, value, *, lead="lead-1"):
    """One more note."""
    return Change(edit_id, lead, "note", value)


def said(edits):
    """What is kept, in short."""
    return [(edit.edit_id, edit.kind, edit.value, edit.author) for edit in edits.edits()]


def test_a_change_is_kept_with_who_when_and_on_what(edits):
    """Each edit has its number, the version it was made on and the status it replaced."""
    edits.change([status("a", "contacted", NEVER)], author="ada", now=NOW)
    [outcome] = edits.change([status("b", "lost", "a")], author="ben", now=_LATER)
    assert outcome.edit == Edit(2, "b", "lead-1", "status", "lost", "ben", _LATER, "a", "contacted")
    assert edits.of("lead-1") == edits.edits()
    assert [edit.previous for edit in edits.edits()] == [NEVER, "a"]


def test_a_stale_change_is_refused_with_what_is_there(edits):
    """Whoever saw an older version overwrites nothing; on the version shown then, it is kept."""
    edits.change([status("a", "contacted", NEVER)], author="ada", now=NOW)
    [outcome] = edits.change([status("b", "lost", NEVER)], author="ben", now=_LATER)
    assert outcome.edit is None
    assert outcome.stale == edits.edits()[0]
    assert said(edits) == [("a", "status", "contacted", "ada")]
    [outcome] = edits.change([status("c", "lost", "a")], author="ben", now=_LATER)
    assert outcome.edit is not None
    assert [edit.value for edit in edits.edits()] == ["contacted", "lost"]


def test_two_who_say_the_same_do_not_differ(edits):
    """A stale change to the status that is there already is none, and no conflict."""
    edits.change([status("a", "contacted", NEVER)], author="ada", now=NOW)
    [outcome] = edits.change([status("b", "contacted", NEVER)], author="ben", now=_LATER)
    assert outcome.edit == edits.edits()[0]


def test_a_form_sent_twice_changes_once(edits):
    """The same id again is the same edit, also of a note; after others it is a conflict."""
    for _ in range(2):
        edits.change([status("a", "contacted", NEVER), note("n", "hi")], author="ada", now=NOW)
    assert said(edits) == [("a", "status", "contacted", "ada"), ("n", "note", "hi", "ada")]
    edits.change([status("b", "lost", "a")], author="ben", now=NOW)
    [outcome] = edits.change([status("a", "contacted", NEVER)], author="ada", now=NOW)
    assert (outcome.edit, outcome.stale) == (None, edits.of("lead-1")[-1])


def test_one_of_many_harms_no_other(edits):
    """Of a change of several leads those that are not stale are kept."""
    edits.change([status("a", "lost", NEVER)], author="ada", now=NOW)
    outcomes = edits.change(
        [status("b", "contacted", NEVER), status("c", "contacted", NEVER, lead="lead-2")],
        author="ben",
        now=NOW,
    )
    assert [outcome.edit is not None for outcome in outcomes] == [False, True]


def test_a_status_that_only_the_warehouse_has_is_a_version_too(edits):
    """What an older leadpipe kept in the warehouse stands in the way as well, until there is a later one."""
    old = Edit(0, "warehouse-1", "lead-1", "status", "qualified", "ada", NOW)
    [outcome] = edits.change([status("a", "lost", NEVER, published=old)], author="ben", now=_LATER)
    assert outcome.stale == old
    [outcome] = edits.change(
        [status("b", "lost", "warehouse-1", published=old)], author="ben", now=_LATER
    )
    assert outcome.edit is not None
    assert (outcome.edit.previous, outcome.edit.replaced) == ("warehouse-1", "qualified")
    [outcome] = edits.change([status("c", "new", "b", published=old)], author="ben", now=_LATER)
    assert outcome.edit is not None


def test_edits_of_a_lead_follow_each_other(edits):
    """In one moment, or on a clock that was put back, a later edit has a later time."""
    for number, moment in enumerate((NOW, NOW, NOW - timedelta(days=1))):
        edits.change([note(f"n{number}", "x")], author="ada", now=moment)
    times = [edit.edited_at - NOW for edit in edits.edits()]
    assert times == [timedelta(microseconds=n) for n in range(3)]


def test_undo_is_as_if_it_had_not_been_made(edits):
    """The status before stands again, under a new version; a note is taken back any time, each once."""
    edits.change([status("a", "contacted", NEVER), note("n", "hi")], author="ada", now=NOW)
    edits.change([status("b", "lost", "a")], author="ben", now=NOW)
    [outcome] = edits.undo(author="ben", now=_LATER, edit_id="b")
    assert outcome.edit is not None
    assert (outcome.edit.value, outcome.edit.undoes, outcome.edit.previous) == (
        "contacted",
        "b",
        "b",
    )
    [outcome] = edits.undo(author="ben", now=_LATER, edit_id="b")
    assert outcome.edit is None
    assert edits.undo(author="ben", now=_LATER, edit_id="n")[0].edit is not None
    assert edits.undo(author="ben", now=_LATER, edit_id="n")[0].edit is None
    [outcome] = edits.undo(author="ben", now=_LATER, edit_id="a")
    assert outcome.edit is not None
    assert outcome.edit.value == "new"


def test_undo_takes_back_nobody_elses_change(edits):
    """Where somebody has changed the status since, the change stays; of a batch the rest is taken back."""
    changes = [status("a", "contacted", NEVER), status("b", "contacted", NEVER, lead="lead-2")]
    edits.change(changes, author="ada", now=NOW, batch="button")
    edits.change([status("c", "qualified", "a")], author="ben", now=NOW)
    outcomes = edits.undo(author="ada", now=_LATER, batch="button")
    assert [outcome.edit is not None for outcome in outcomes] == [False, True]
    assert [edit.value for edit in edits.of("lead-1")] == ["contacted", "qualified"]
    assert [edit.value for edit in edits.of("lead-2")] == ["contacted", "new"]


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("status", "sold", "'sold' is no status; choose one of new, contacted"),
        ("note", "   ", "A note has 1 to 10000 characters"),
        ("note", "x" * 10_001, "A note has 1 to 10000 characters"),
    ],
)
def test_what_cannot_be_used_changes_nothing(edits, kind, value, message):
    """A status outside the list or an empty note is an error, for all that was asked for with it."""
    with pytest.raises(ConfigurationError, match=message):
        edits.change([note("n", "hi"), Change("a", "lead-1", kind, value)], author="ada", now=NOW)
    assert edits.edits() == []


def test_a_note_is_kept_as_it_was_typed(edits):
    """Lines, emoji and marks stay; half an emoji is U+FFFD, blanks around go."""
    edits.change([note("n", " Süß 🏡\r\n<b>1</b>\ud83d ")], author="ada", now=NOW)
    assert edits.edits()[0].value == "Süß 🏡\n<b>1</b>\ufffd"


def test_of_many_who_change_one_lead_at_once_one_wins(edits):
    """Sixteen people on one version: one change is kept, the others are told of it."""
    edits.change([note("n", "hi")], author="ada", now=NOW)

    def change(number):
        value = ("contacted", "qualified", "lost")[number % 3]
        return edits.change([status(f"s{number}", value, NEVER)], author="x", now=NOW)[0]

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(change, range(16)))
    kept = [edit for edit in edits.edits() if edit.kind == "status"]
    assert len(kept) == 1
    assert all((outcome.edit or outcome.stale) == kept[0] for outcome in outcomes)


_NOTES = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from leadpipe.leads.edits import Change, LeadEdits
edits = LeadEdits(Path(sys.argv[1]), sys.argv[4] or None)
for number in range(int(sys.argv[3])):
    edit_id = f"{sys.argv[2]}-{number}"
    change = Change(edit_id, "lead-1", "note", "x" * 200)
    edits.change([change], author=sys.argv[2], now=datetime.now(UTC))
    print(edit_id, flush=True)
"""


def test_what_was_acknowledged_survives_kills(edits):
    """Three processes write, each is killed in the middle: all they have said is there, once."""
    acknowledged = set()
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                _NOTES,
                str(edits.path),
                f"p{n}",
                "100000",
                edits.postgres or "",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged.add(line.strip())
            if sum(each.startswith(line.split("-")[0]) for each in acknowledged) == 20:
                process.kill()
        process.wait(30)
        process.stdout.close()
    kept = [edit.edit_id for edit in edits.edits()]
    assert len(acknowledged) >= 60
    assert acknowledged <= {*kept}
    assert len(kept) == len({*kept})
    [outcome] = edits.change([note("after", "still works")], author="ada", now=NOW)
    assert outcome.edit is not None


def test_erased_is_in_no_byte(edits):
    """An erased note leaves its number, and nothing of its text in the file and its log, or in the table."""
    edits.change([note("n", "lives in the blue house")], author="ada", now=NOW)
    before = edits.state()
    assert edits.erase(["n", "nobody's"]) == 1
    assert edits.erase(["n"]) == 0
    assert [(edit.kind, edit.value) for edit in edits.edits()] == [(ERASED, "")]
    assert edits.state() != before
    kept = [file.read_bytes() for file in edits.path.parent.glob("lead_edits.sqlite*")]
    if edits.postgres is not None:
        with psycopg.connect(edits.postgres, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            [kept] = map(
                list,
                connection.execute(
                    "SELECT pg_read_binary_file(pg_relation_filepath('said_about_leads.edits'))"
                ).fetchall(),
            )
    assert all(b"blue house" not in content for content in kept)
    assert any(b"lead-1" in content for content in kept)


def test_what_a_machine_had_in_its_file_is_brought_along(in_file, in_postgres):
    """The first look takes over every edit of the file, each once, in their order; the file is set aside."""
    in_file.change([status("a", "contacted", NEVER), note("n", "hi")], author="ada", now=NOW)
    in_file.undo(author="ada", now=_LATER, edit_id="n")
    before = in_file.edits()
    assert in_postgres.edits() == before
    assert not in_file.path.exists()
    [outcome] = in_postgres.change([status("b", "lost", "a")], author="ben", now=_LATER)
    assert outcome.edit is not None
    in_file.path.with_name("lead_edits.sqlite.moved").rename(in_file.path)
    assert [edit.edit_id for edit in in_postgres.edits()] == ["a", "n", "n-undone", "b"]


def test_a_text_with_a_nul_is_kept_in_postgres(in_postgres):
    """PostgreSQL has no NUL in a text: the mark of what cannot be read stands there."""
    in_postgres.change([note("n", "a\0b")], author="ada", now=NOW)
    assert [edit.value for edit in in_postgres.edits()] == ["a\ufffdb"]


def test_a_database_that_is_gone_is_named(tmp_path, postgres):
    """The error says that it is PostgreSQL, and that nothing was changed."""
    edits = LeadEdits(tmp_path / "edits.sqlite", postgres.address("nowhere"))
    with pytest.raises(
        EditsUnavailable, match=r"PostgreSQL cannot be written.*nowhere.*Nothing was"
    ):
        edits.change([note("n", "hi")], author="ada", now=NOW)
    with pytest.raises(EditsUnavailable, match="edits in PostgreSQL cannot be read"):
        edits.edits()


def test_a_file_that_cannot_be_written_is_named(in_file):
    """The error says which file, and that nothing was changed."""
    edits = in_file
    edits.path.mkdir(parents=True)
    with pytest.raises(EditsUnavailable, match=r"lead_edits.sqlite cannot be written.*Nothing was"):
        edits.change([note("n", "hi")], author="ada", now=NOW)
