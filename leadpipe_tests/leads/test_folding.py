"""Edits come into the warehouse once; readers see the same before and after; erasure takes notes along."""

import random
import shutil
import subprocess
import sys
from datetime import timedelta

import pytest

from leadpipe.events.versions import mark_changed
from leadpipe.leads.book import LeadBook
from leadpipe.leads.edits import NEVER, Change, LeadEdits
from leadpipe.leads.folding import update_leads
from leadpipe.leads.scores import BUILT_IN
from leadpipe.published.tables import publish_tables
from leadpipe.rebuild import rebuild
from leadpipe.warehouse import Warehouse, back_up, restore
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import rows, settings_of, take_in
from leadpipe_tests.holding import lose
from leadpipe_tests.leads.builders import edits_of, publish, publish_leads

_MINUTE = timedelta(minutes=1)


@pytest.fixture
def published(tmp_path):
    """Leads that are published."""
    return publish_leads(tmp_path)


def leads_now(folder):
    """All leads as pages and commands show them."""
    book = LeadBook(folder / "data" / "published", edits_of(folder))
    try:
        with book.reading() as ask:
            return ask("SELECT * FROM leads_now ORDER BY lead_id").as_dicts()
    finally:
        book.close()


def fold(warehouse, folder, now=NOW):
    """What the asset `leads` does, and a publication."""
    with warehouse.connect() as connection:
        report = update_leads(connection, edits_of(folder), rules=BUILT_IN, now=now)
        publish_tables(connection, folder / "data" / "published", now=now)
    return report


def lead_of(folder, seeker):
    """The id of a seeker's lead."""
    [lead] = [row["lead_id"] for row in leads_now(folder) if row["seeker_id"] == seeker]
    return str(lead)


def write(folder, lead_id, text, edit_id="note-1"):
    """Write a note."""
    edits_of(folder).change([Change(edit_id, lead_id, "note", text)], author="ada", now=NOW)


def test_what_is_shown_before_a_sync_is_what_is_published_after(published, tmp_path):
    """Random edits and undos, some folded: what pages show does not change by folding the rest."""
    chance = random.Random(5)
    edits = edits_of(tmp_path)
    leads = [row["lead_id"] for row in leads_now(tmp_path)]
    made: list[str] = []
    for number in range(60):
        now = NOW + number * _MINUTE
        lead = chance.choice(leads)
        if made and chance.random() < 0.3:
            edits.undo(author="ben", now=now, edit_id=chance.choice(made))
        else:
            status = chance.choice(["new", "contacted", "lost"])
            change = chance.choice(
                [
                    Change(f"e{number}", lead, "status", status),
                    Change(f"e{number}", lead, "note", f"note {number}"),
                ]
            )
            edits.change([change], author="ada", now=now)
            made.append(change.edit_id)
        if number == 25:
            fold(published, tmp_path)
    before = leads_now(tmp_path)
    assert fold(published, tmp_path).folded > 20
    assert leads_now(tmp_path) == before
    shown = {(row["lead_id"], row["status"], row["notes"]) for row in before}
    current = rows(published, "SELECT lead_id, edit_id FROM lead_edits")
    assert len(current) == len({edit_id for _, edit_id in current}) == len(edits.edits())
    assert {status for _, status, _ in shown} >= {"new", "contacted"}


def test_an_edit_comes_in_once(published, tmp_path):
    """Folding again changes nothing; only runs of leads that were edited are built."""
    edits_of(tmp_path).change(
        [Change("a", lead_of(tmp_path, "ama"), "status", "lost")], author="ada", now=NOW
    )
    first, second = fold(published, tmp_path), fold(published, tmp_path)
    assert (first.folded, first.built.runs, second.folded, second.built.runs) == (1, 1, 0, 0)
    assert rows(published, "SELECT edit_id, value, previous FROM lead_edits") == [("a", "lost", "")]


_FOLD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from leadpipe.leads.edits import LeadEdits
from leadpipe.leads.folding import update_leads
from leadpipe.leads.scores import BUILT_IN
from leadpipe.warehouse import Warehouse
folder = Path(sys.argv[1])
warehouse = Warehouse(folder / "leadpipe.duckdb")
with warehouse.connect() as connection:
    print("open", flush=True)
    edits = LeadEdits(folder / "lead_edits.sqlite")
    update_leads(connection, edits, rules=BUILT_IN, now=datetime.now(UTC))
"""


def test_a_killed_fold_costs_nothing(published, tmp_path):
    """Killed at five moments while edits come in: afterwards each is in the warehouse once."""
    edits, lead = edits_of(tmp_path), lead_of(tmp_path, "kofi")
    for number in range(5):
        changes = [Change(f"{number}-{n}", lead, "note", "x") for n in range(100)]
        edits.change(changes, author="ada", now=NOW)
        process = subprocess.Popen(
            [sys.executable, "-c", _FOLD, str(tmp_path / "data")], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(0.03 * number)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait(30)
        process.stdout.close()
    fold(published, tmp_path)
    found = rows(published, "SELECT edit_id FROM lead_edits ORDER BY edit_id")
    assert found == sorted((f"{number}-{n}",) for number in range(5) for n in range(100))


def erase_in_posthog(warehouse, folder, seeker, *, table="gone_events"):
    """PostHog has no more events of a seeker, and a sync has followed."""
    with warehouse.writing("leads") as connection:
        if table:
            connection.execute(
                f"INSERT INTO {table} SELECT uuid, event, event_date, run_id, $now FROM raw_events "
                "WHERE seeker_id = $seeker",
                {"seeker": seeker, "now": NOW},
            )
        days = connection.execute("SELECT DISTINCT event_date FROM raw_events").fetchall()
        connection.execute("DELETE FROM raw_events WHERE seeker_id = $seeker", {"seeker": seeker})
        mark_changed(connection, [day for (day,) in days], ["run-1"])


@pytest.mark.parametrize("is_rebuilt", [False, True])
def test_the_erasure_of_a_person_takes_the_notes_about_them(published, tmp_path, is_rebuilt):
    """Erased in PostHog: notes are gone from tables, publication and file; that there was one stays."""
    write(tmp_path, lead_of(tmp_path, "ama"), "lives in the blue house")
    write(tmp_path, lead_of(tmp_path, "kofi"), "kofi's note", "note-2")
    fold(published, tmp_path)
    erase_in_posthog(published, tmp_path, "ama")
    if is_rebuilt:
        rebuild(settings_of(published), now=NOW)
    report = fold(published, tmp_path)
    assert report.erased == (0 if is_rebuilt else 1)
    assert rows(published, "SELECT edit_id, kind, value FROM lead_edits ORDER BY edit_id") == [
        ("note-1", "erased", ""),
        ("note-2", "note", "kofi's note"),
    ]
    assert [edit.value for edit in edits_of(tmp_path).edits()] == ["", "kofi's note"]
    assert "blue house" not in str(leads_now(tmp_path))
    assert rows(published, "SELECT count(*) FROM deletions_to_wipe") == [(1,)]


def test_an_erased_note_does_not_come_back(published, tmp_path):
    """A run killed between warehouse and file: the next one empties the file, and folds nothing in."""
    write(tmp_path, lead_of(tmp_path, "ama"), "lives in the blue house")
    fold(published, tmp_path)
    kept = tmp_path / "kept.sqlite"
    shutil.copy(edits_of(tmp_path).path, kept)
    erase_in_posthog(published, tmp_path, "ama")
    fold(published, tmp_path)
    edits_of(tmp_path).path.unlink()
    shutil.copy(kept, edits_of(tmp_path).path)
    assert LeadEdits(edits_of(tmp_path).path).edits()[0].value == "lives in the blue house"
    assert fold(published, tmp_path).folded == 0
    assert edits_of(tmp_path).edits()[0].value == ""


def test_a_lead_that_was_only_set_aside_keeps_its_notes(published, tmp_path):
    """Events that are away without having been erased in PostHog may come back, and the notes with them."""
    write(tmp_path, lead_of(tmp_path, "ama"), "call again")
    fold(published, tmp_path)
    erase_in_posthog(published, tmp_path, "ama", table="")
    assert fold(published, tmp_path).erased == 0
    assert rows(published, "SELECT value FROM lead_edits") == [("call again",)]


def test_edits_outlive_a_lost_warehouse(published, tmp_path):
    """The file is the truth: a new warehouse has every status and note again."""
    lead = lead_of(tmp_path, "ama")
    edits_of(tmp_path).change(
        [Change("a", lead, "status", "qualified", NEVER)], author="ada", now=NOW
    )
    fold(published, tmp_path)
    before = {row["lead_id"]: (row["status"], row["status_version"]) for row in leads_now(tmp_path)}
    lose(published)
    publish_leads(tmp_path)
    after = {row["lead_id"]: (row["status"], row["status_version"]) for row in leads_now(tmp_path)}
    assert after == before
    assert after[lead] == ("qualified", "a")


def test_a_backup_has_the_edits(published, tmp_path):
    """An archive has the file of edits, also what no sync has folded in, and brings it back."""
    write(tmp_path, lead_of(tmp_path, "ama"), "call again")
    settings = settings_of(published)
    archive = tmp_path / "backup.tar.gz"
    report = back_up(published, archive, kept=settings.kept_files(), now=NOW)
    assert "lead_edits.sqlite" in report.files
    restored = tmp_path / "restored"
    restore(archive, Warehouse(restored / "leadpipe.duckdb"), folder=restored)
    assert [edit.value for edit in LeadEdits(restored / "lead_edits.sqlite").edits()] == [
        "call again"
    ]


def test_a_later_run_does_not_lose_what_was_said(published, tmp_path):
    """More actions of the same lead come in: status, version and notes are as they were."""
    lead = lead_of(tmp_path, "yaw")
    write(tmp_path, lead, "call again")
    edits_of(tmp_path).change([Change("a", lead, "status", "contacted")], author="ada", now=NOW)
    fold(published, tmp_path)
    [before] = [row for row in leads_now(tmp_path) if row["lead_id"] == lead]
    again = [
        {
            "event": "lead_phone",
            "timestamp": NOW,
            "uuid": "00000000-0000-4000-8000-00000000000a",
            "distinct_id": "d",
            "created_at": NOW,
            "properties": {"listing_id": "flat-kumasi-3", "seeker_id": "yaw"},
        }
    ]
    take_in(published, tmp_path, again, run_id="run-2", now=NOW)
    publish(published)
    [after] = [row for row in leads_now(tmp_path) if row["lead_id"] == lead]
    kept = ("status", "status_version", "notes", "status_changed_by")
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert (before["total_actions"], after["total_actions"]) == (1, 2)
