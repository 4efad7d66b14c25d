"""`leadpipe leads`: what people say on the command line is what pages show, at once."""

import csv
import json

import pytest
from click.testing import CliRunner

from leadpipe.cli import main
from leadpipe_tests.leads.builders import edits_of, publish_leads, warehouse_of


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `leadpipe leads …` over seven published leads."""
    publish_leads(tmp_path)
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(tmp_path / "data"))
    return lambda *words: CliRunner().invoke(main, ["leads", *words])


def test_a_status_shows_at_once_while_a_sync_has_the_warehouse(run, tmp_path):
    """Status and note are kept in the file that pages use, and listed before any sync."""
    with warehouse_of(tmp_path).writing("leads") as connection:
        connection.execute("CREATE TABLE held (n INTEGER)")
        assert run("status", "villa-accra-12_ama", "contacted", "--author", "ada").exit_code == 0
        assert run("note", "villa-accra-12_ama", "call again", "--author", "ada").exit_code == 0
    [lead] = csv.DictReader(run("list", "--status", "contacted", "--csv").stdout.splitlines())
    assert lead["seeker_id"] == "ama"
    shown = json.loads(run("show", lead["lead_id"], "--json").stdout)
    assert (shown["status"], shown["status_changed_by"]) == ("contacted", "ada")
    assert [note["text"] for note in shown["notes"]] == ["call again"]
    assert [action["points"] for action in shown["lead_actions"]] == [15, 30, 40]
    assert [edit.author for edit in edits_of(tmp_path).edits()] == ["ada", "ada"]


def test_a_lead_is_shown_in_peoples_words(run):
    """Times as everywhere, actions and the time to the first response in words; no version."""
    run("status", "villa-accra-12_ama", "contacted", "--author", "ada")
    run("note", "villa-accra-12_ama", "call again", "--author", "ada")
    shown = run("show", "villa-accra-12_ama").stdout
    lines = [line.split() for line in shown.splitlines()]
    assert ["2026-11-17", "18:00:00", "whatsapp", "15", "·"] in lines
    assert ["2026-11-20", "16:00:00", "appointment", "40", "google"] in lines
    assert ["2026-11-21", "12:00:00", "ada", "call", "again"] in lines
    assert ["first", "response", "after", "3", "d", "18", "h"] in [
        line.replace("first_response", "first response").split() for line in shown.splitlines()
    ]
    assert "T18:00" not in shown
    assert "status_version" not in shown


def test_what_a_status_replaced_is_said(run):
    """Whoever types a command has seen no version: it says what was there."""
    run("status", "villa-accra-12_ama", "contacted")
    again = run("status", "villa-accra-12_ama", "lost")
    assert "It was contacted." in again.stderr
    assert again.stdout.endswith("is lost\n")


def test_the_last_change_is_taken_back(run):
    """Undo takes back one change after another, and says when there is none left."""
    run("status", "villa-accra-12_ama", "contacted")
    run("note", "villa-accra-12_ama", "call again")
    assert "has lost its last note" in run("undo", "villa-accra-12_ama").stdout
    assert "is new again" in run("undo", "villa-accra-12_ama").stdout
    nothing = run("undo", "villa-accra-12_ama")
    assert (nothing.exit_code, "Nobody has changed" in nothing.stderr) == (1, True)
    assert "took a change back" in run("show", "villa-accra-12_ama").stdout


@pytest.mark.parametrize(
    ("lead", "message"), [("nobody", "No lead fits 'nobody'"), ("", "7 leads fit ''")]
)
def test_an_unknown_lead_is_named(run, lead, message):
    """A lead nobody has, or several, is an error that says where ids come from."""
    result = run("status", lead, "lost")
    assert result.exit_code == 1
    assert message in result.stderr
    assert "leads list" in result.stderr


def test_a_note_is_printed_without_playing_tricks(run):
    """A note with control characters moves no cursor when it is shown."""
    run("note", "villa-accra-12_ama", "a\x1b[31mb")
    shown = run("show", "villa-accra-12_ama").stdout
    assert "\x1b[31m" not in shown
    assert "b" in shown


def test_starts_of_listing_and_seeker_name_a_lead(run):
    """What a narrow table shows of both can be typed; a whole name is never taken for a start."""
    [whole] = json.loads(run("list", "--listing", "villa-accra-12", "--json").stdout)[:1]
    typed = f"{whole['listing'][:9]}_{whole['seeker_id'][:2]}"
    assert json.loads(run("show", typed, "--json").stdout)["lead_id"] == whole["lead_id"]
    assert json.loads(run("list", "--listing", "villa-acc", "--json").stdout)[0] == whole


def test_what_fits_an_ambiguous_start_is_named(run):
    """So that the right one can be typed."""
    ids = sorted(lead["lead_id"] for lead in json.loads(run("list", "--json").stdout))
    result = run("show", "")
    assert result.exit_code == 1
    assert f"{', '.join(ids[:6])} and 1 more. Type more of the id." in result.stderr
