"""`leadpipe draws`, typed as a user types it, against the sandbox."""

import csv
import hashlib
import io
import json
import re
import shlex
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

import leadpipe.cli
from leadpipe.draws.verify import verify_evidence
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import let_pass
from leadpipe_tests.docs.markdown import ROOT, blocks
from leadpipe_tests.draws.builders import mark_read, msisdn, prizes_file, recharge
from leadpipe_tests.events.builders import event, rows, take_in
from leadpipe_tests.posthog_sandbox.asking import rows as asked
from leadpipe_tests.posthog_sandbox.cohort_asking import meet

DATE = "2026-11-20"
_ELIGIBLE = {"recharge_date": "2026-11-19T10:00:00Z", "points": 1}


@pytest.fixture
def stored(sandbox, tmp_path, monkeypatch) -> Warehouse:
    """Twenty people who recharged on the 19th, one late recharge, one bad; the environment leads there."""
    for name, value in {
        "POSTHOG_API_KEY": sandbox.api_key,
        "POSTHOG_PROJECT_ID": sandbox.project_id,
        "POSTHOG_PROJECT_API_KEY": sandbox.project_api_key,
        "POSTHOG_BASE_URL": sandbox.url,
        "LEADPIPE_DATA_DIR": "data",
        "LEADPIPE_START_DATE": "2026-11-01",
        "COLUMNS": "200",
    }.items():
        monkeypatch.setenv(name, value)
    warehouse = Warehouse(tmp_path / "data" / "leadpipe.duckdb", lock_timeout_seconds=5.0)
    day = datetime(2026, 11, 19, 10, tzinfo=UTC)
    people = [recharge(n, 100 * n, day) for n in range(1, 21)]
    late = recharge(21, 500, day, created_at=day + timedelta(days=1))
    take_in(warehouse, tmp_path, [*people, late, recharge(22, -5, day), event("lead", "09:00:00")])
    mark_read(warehouse)
    prizes_file(tmp_path)
    return warehouse


def typed(*words: str, code: int = 0):
    """What a command gives: its output, and notes apart."""
    let_pass(1)
    result = CliRunner().invoke(leadpipe.cli.main, ["draws", *words])
    assert result.exit_code == code, result.output
    return result


def test_the_pages_steps_work_in_order(sandbox, stored, tmp_path):
    """The commands of docs/draws.md, from the list to the recorded result."""
    [steps, *_] = blocks(ROOT / "docs" / "draws.md", "bash")
    for line in steps.text.splitlines():
        typed(*shlex.split(line)[2:])
    proved = verify_evidence((tmp_path / "evidence.json").read_bytes())
    recorded = asked(
        sandbox,
        "SELECT event, count() FROM events WHERE event LIKE 'draw_%' GROUP BY event ORDER BY event LIMIT 9",
    )
    assert len(proved.draws) == 6
    assert recorded == [["draw_runner_up", 2], ["draw_winner", 4]]
    assert rows(stored, "SELECT count(recorded_at) FROM draw_winners") == [(6,)]


def test_participants_are_masked_unless_asked_for(stored):
    """In tables, JSON and CSV; the notes say what was rejected."""
    result = typed("participants", DATE, "--limit", "2", "--json")
    listed = json.loads(result.stdout)
    assert [(one["msisdn"], one["entries"]) for one in listed] == [
        ("234803****020", 20),
        ("234803****019", 19),
    ]
    assert "20 participants, 210 entries" in result.stderr
    assert "rejected: 1 × negative amount" in result.stderr
    shown = typed("participants", DATE, "--show-pii", "--csv").stdout
    assert [one["msisdn"] for one in csv.DictReader(io.StringIO(shown))] == [
        msisdn(n) for n in range(20, 0, -1)
    ]
    assert msisdn(20) not in typed("participants", DATE).output


def test_entries_of_a_number_in_any_spelling(stored):
    """The number itself is masked in the answer."""
    typed("participants", DATE)
    [found] = json.loads(typed("entries", DATE, "0803 000 0007", "--json").stdout)
    assert (found["msisdn"], found["entries"]) == ("234803****007", 7)
    assert "not taking part" in typed("entries", DATE, msisdn(21)).stderr
    assert "no valid phone number" in typed("entries", DATE, "nobody", code=1).stderr


def test_what_came_too_late_is_listed(stored):
    """Late recharges, masked."""
    [late] = json.loads(typed("changes", DATE, "--json").stdout)
    assert (late["change"], late["msisdn"], late["points"]) == (
        "recharge arrived late",
        "234803****021",
        5,
    )


def test_a_draw_is_made_once_and_shown(sandbox, stored):
    """Run again nothing is drawn or sent; other prizes are refused; a reason makes another."""
    first = typed("run", DATE, "--prizes", "prizes.toml", "--seed", "ab" * 32)
    assert "6 of 6 results sent" in first.stderr
    again = typed("run", DATE, "--prizes", "prizes.toml", "--json")
    assert "drawn before" in again.stderr
    assert "0 of 6 results sent" in again.stderr
    prizes_file(stored.path.parents[1], '[[tiers]]\nid = 1\nname = "A"\nvalue = 1\nwinners = 1\n')
    assert (
        "frozen with other prizes" in typed("run", DATE, "--prizes", "prizes.toml", code=1).stderr
    )
    assert "frozen with another seed" in typed("run", DATE, "--seed", "0" * 64, code=1).stderr
    typed("run", DATE, "--prizes", "prizes.toml", "--redo", "wrong prizes", "--no-record")
    shown = typed("show", DATE).stdout
    assert "status: superseded" in shown
    assert "withdrawn reason: wrong prizes" in shown
    assert re.search(r"^drawn at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$", shown, re.MULTILINE)
    [winner] = json.loads(typed("show", DATE, "--json").stdout)
    [full] = json.loads(typed("show", DATE, "--json", "--show-pii").stdout)
    assert winner["draw_id"] == full["draw_id"] == "draw-2026-11-20-2"
    assert full["msisdn"].startswith("23480300000")
    assert winner["msisdn"] == full["msisdn"][:6] + "****" + full["msisdn"][-3:]


def test_frozen_first_then_drawn_with_a_beacon(stored, tmp_path):
    """The announcement hashes to the commitment that freeze prints; the evidence holds against it."""
    frozen = typed("freeze", DATE, "--prizes", "prizes.toml", "--beacon", "drand round 9")
    commitment = frozen.stdout.strip()
    typed("export", DATE, "--out", "announcement.json")
    content = (tmp_path / "announcement.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == commitment
    assert "waits for 'drand round 9'" in typed("run", DATE, code=1).stderr
    typed("run", DATE, "--beacon-value", "0123456789abcdef", "--no-record")
    typed("export", DATE, "--out", "evidence.json")
    assert "Valid" in typed("verify", "evidence.json", "--commitment", commitment).stdout
    evidence = (tmp_path / "evidence.json").read_bytes()
    (tmp_path / "evidence.json").write_bytes(evidence.replace(b'"rank":1', b'"rank":2', 1))
    assert "Not valid" in typed("verify", "evidence.json", code=1).stderr
    assert "neither a file nor a date" in typed("verify", "nothing", code=1).stderr


def test_a_participant_checks_their_proof(stored):
    """The file holds no number; with theirs it is valid, with another not."""
    typed("run", DATE, "--prizes", "prizes.toml", "--no-record")
    typed("proof", DATE, "08030000007", "--out", "proof.json")
    assert "add their --msisdn" in typed("verify", "proof.json", code=1).stderr
    valid = typed("verify", "proof.json", "--msisdn", "+234 803 000 0007").stdout
    assert "Valid: 7 of 210 entries" in valid
    assert "Not valid" in typed("verify", "proof.json", "--msisdn", msisdn(8), code=1).stderr


def test_a_draw_that_cannot_be_recorded_is_made_all_the_same(stored, monkeypatch):
    """Without a project key the draw stands, the message says what is missing, record goes on later."""
    key = "POSTHOG_PROJECT_API_KEY"
    monkeypatch.setenv(key, "")
    result = typed("run", DATE, "--prizes", "prizes.toml", code=1)
    assert f"{key} not set" in result.stderr
    monkeypatch.setenv(key, "phc_sandbox")
    assert "6 of 6 results sent" in typed("record", DATE).stderr


def test_the_blacklist_from_the_command_line(stored, tmp_path):
    """Added, listed, imported, removed; masked in every answer."""
    today = datetime.now(UTC).date()
    tomorrow = today + timedelta(days=1)
    assert typed("blacklist", "add", "08030000001", "--reason", "staff").stdout == (
        f"234803****001 is blocked from {tomorrow} for good\n"
    )
    (tmp_path / "more.csv").write_text(f"msisdn,blocked_from\n08030000002,{DATE}\n")
    assert "add --backdate" in typed("blacklist", "import", "more.csv", code=1).stderr
    typed("blacklist", "import", "more.csv", "--backdate")
    listed = json.loads(typed("blacklist", "list", "--json").stdout)
    assert [(one["msisdn"], one["blocked_from"]) for one in listed] == [
        ("234803****001", tomorrow.isoformat()),
        ("234803****002", DATE),
    ]
    [one] = json.loads(typed("blacklist", "list", "--on", DATE, "--show-pii", "--json").stdout)
    assert one["msisdn"] == msisdn(2)
    assert "19 participants" in typed("participants", DATE).stderr
    removed = typed("blacklist", "remove", "08030000002").stdout
    assert removed == f"234803****002 may take part again after {today}\n"


def test_a_number_blocked_after_the_list_was_built_cannot_win(stored, tmp_path, monkeypatch):
    """`freeze` refuses the old list and says what to do; with the next step done the number is not in it."""
    typed("participants", DATE)
    typed("blacklist", "add", "08030000020", "--from", DATE, "--backdate", "--reason", "a, b\nc")
    refused = typed("freeze", DATE, "--prizes", "prizes.toml", code=1).stderr
    assert "1 numbers are blacklisted on the date, 0 were" in refused
    assert f"leadpipe draws participants {DATE} --build" in refused
    assert "! The list of" in typed("participants", DATE).stderr
    typed("participants", DATE, "--build")
    frozen = typed("freeze", DATE, "--prizes", "prizes.toml").stderr
    assert f"The date begins at {DATE}T00:00:00Z (UTC)" in frozen
    assert "1 blacklisted" in frozen
    assert "not taking part" in typed("entries", DATE, msisdn(20)).stderr
    refused = typed("blacklist", "add", "08030000019", "--from", DATE, "--backdate", code=1).stderr
    assert f"leadpipe draws withdraw {DATE}" in refused
    typed("run", DATE, "--no-record")
    assert f"The date begins at {DATE}T00:00:00Z (UTC)" in typed("verify", DATE).stderr
    typed("blacklist", "export", "blacklist.csv")
    before = rows(stored, "SELECT * FROM blacklist")
    with stored.writing("participants") as connection:
        connection.execute("DELETE FROM blacklist")
    typed("blacklist", "import", "blacklist.csv", "--backdate")
    assert rows(stored, "SELECT * FROM blacklist") == before
    assert (tmp_path / "blacklist.csv").stat().st_mode & 0o077 == 0
    monkeypatch.setenv("LEADPIPE_DRAW_TIMEZONE", "Lagos")
    assert "LEADPIPE_DRAW_TIMEZONE" in typed("participants", DATE, code=1).stderr


def test_the_cohort_from_the_command_line(sandbox, stored):
    """Ensured, compared, tried out."""
    assert "Nobody is eligible" in typed("cohort", "ensure", DATE, code=1).stderr
    typed("participants", DATE)
    meet(sandbox, {msisdn(n): _ELIGIBLE for n in range(2, 23)})
    assert "made, cohort" in typed("cohort", "ensure", DATE).stdout
    result = typed("cohort", "stats", DATE, "--json")
    [stats] = json.loads(result.stdout)
    counted = ("participants", "total_entries", "members", "participants_missing")
    assert [stats[name] for name in counted] == [20, 210, 21, 1]
    assert "234803****001 takes part, but is not in the cohort" in result.stderr
    assert "234803****022 in the cohort, but does not take part" in result.stderr
    [listed] = json.loads(typed("cohort", "list", "--json").stdout)
    assert [listed[name] for name in ("draw_date", "cohort_id", "persons")] == [
        DATE,
        stats["cohort_id"],
        21,
    ]
    assert "exactly the 2 eligible of 5" in typed("cohort", "test").stdout
