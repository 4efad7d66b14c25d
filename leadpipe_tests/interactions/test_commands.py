"""`leadpipe sync-leads` and `leadpipe validate-leads`, typed as people and scripts do."""

import json
import shlex
import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import leadpipe.cli
from leadpipe.interactions.history import enter_records
from leadpipe.interactions.tenants import read_tenants
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import let_pass
from leadpipe_tests.docs.markdown import ROOT, blocks
from leadpipe_tests.events.builders import rows
from leadpipe_tests.holding import another_process_in
from leadpipe_tests.interactions.builders import (
    PROGRAM,
    TENANT,
    lead,
    leads_file,
    now_updated,
    text_of,
)

_SEEDS_NAME = ("sync-posthog-leads", "--tenant", TENANT, "--program-id", PROGRAM)
_QUICK_START = ("sync-leads", "--tenant", TENANT, "--program-id", PROGRAM)
_PAGE = ROOT / "docs" / "tenants.md"
_UUID = "0193502c-0000-7000-8000-00000000000{}"
_COUNTS = ("events", "added", "already_there", "unmatched", "rejected")


@pytest.fixture
def run(sandbox, monkeypatch):
    """Types a command with the seed's environment variables, in a folder of its own."""
    for name, value in {
        "POSTHOG_API_KEY": sandbox.api_key,
        "POSTHOG_PROJECT_ID": sandbox.project_id,
        "POSTHOG_BASE_URL": sandbox.url,
        "LEADPIPE_DATA_DIR": "data",
        "LEADPIPE_LOCK_TIMEOUT_SECONDS": "0.5",
    }.items():
        monkeypatch.setenv(name, value)

    def typed(*arguments: str) -> Result:
        let_pass(1)
        return CliRunner().invoke(leadpipe.cli.main, arguments)

    return typed


@pytest.fixture
def file(run, sandbox, tmp_path):
    """A tenant's file with two leads; three contacts of theirs, one of nobody, one that is not valid."""
    sandbox.control.insert(
        [
            now_updated(0, notes="Wants to start  ", uuid=_UUID.format(1)),
            now_updated(3, uuid=_UUID.format(2)),
            now_updated(60, "lead-2", contactOutcome="not_reached", uuid=_UUID.format(3)),
            now_updated(0, "nobody", uuid=_UUID.format(4)),
            now_updated(0, blocker="Jane", uuid=_UUID.format(5)),
            now_updated(0, tenant="other"),
        ]
    )
    return leads_file(tmp_path / "data", [lead("lead-1"), lead("lead-2")])


def everything(folder):
    """Every file below a folder, with its bytes."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def counts(result: Result) -> dict[str, int]:
    """The counts of a report as JSON."""
    report = json.loads(result.stdout)
    return {name: report[name] for name in _COUNTS}


def test_a_dry_run_prints_the_change_and_writes_nothing(run, file, tmp_path):
    """Lead, time, outcome and notes of what would be added; no file is made, changed or locked."""
    before = everything(tmp_path)
    result = run(*_QUICK_START, "--dry-run")
    assert result.exit_code == 3, result.output
    lines = [line.split() for line in result.stdout.splitlines() if line.startswith("+")]
    assert [(line[1], *line[3:]) for line in lines] == [
        ("lead-1", "conversation", "Wants", "to", "start"),
        ("lead-1", "conversation"),
        ("lead-2", "not_reached"),
    ]
    assert "3 would be added, 0 already there, 1 unmatched, 1 rejected." in result.stdout
    assert everything(tmp_path) == before


def test_the_quick_start_as_it_stands(run, file):
    """The seed's command adds what is missing, says what it left out and why; again adds nothing."""
    result = run(*_QUICK_START)
    assert result.exit_code == 3, result.output
    assert "3 added, 0 already there, 1 unmatched, 1 rejected." in result.stdout
    problems = [line.split(None, 3) for line in result.stdout.splitlines() if line[:4] == "0193"]
    assert [(uuid, lead_id, kind) for uuid, lead_id, kind, _ in problems] == [
        (_UUID.format(4), "nobody", "unmatched"),
        (_UUID.format(5), "lead-1", "rejected"),
    ]
    assert "no lead of the file has this leadId" in problems[0][3]
    assert "blocker is none of different_program" in problems[1][3]
    assert "Wants to start" not in result.output  # notes are for the file and the dry run
    written = file.read_bytes()
    again = run(*_QUICK_START, "--json")
    assert (again.exit_code, counts(again)) == (
        3,
        {"events": 5, "added": 0, "already_there": 3, "unmatched": 1, "rejected": 1},
    )
    assert file.read_bytes() == written
    [first, second] = [
        [len(lead["interactions"]) for lead in json.loads(data)]
        for data in (
            written,
            file.with_name(".leadpipe").joinpath("leads.json.previous").read_bytes(),
        )
    ]
    assert (first, second) == ([2, 1], [0, 0])


def test_scripts_can_tell_by_the_exit_code(run, file, sandbox):
    """0 when every event is in the file, 3 with findings, 1 after errors, 2 for a wrong option."""
    assert run(*_QUICK_START[:3], "--program-id", "another").exit_code == 0
    assert run(*_QUICK_START).exit_code == 3
    assert run("sync-leads", "--tenant", "nobody", "--program-id", PROGRAM).exit_code == 1
    assert run("sync-leads", "--tenant", TENANT).exit_code == 2


_UNUSABLE = {
    "$: this is not JSON": b"[{]",
    "begins with a byte-order mark": b"\xef\xbb\xbf[]",
    "$[1].id: the id 'lead-1' is that of $[0]": text_of([lead(), lead()]),
    "$[0].interactions: missing": b'[{"id": "a"}]',
    "$[0].interactions[0].loggedAt": text_of([lead("lead-1", {"loggedAt": 1})]),
}


def link_elsewhere(file):
    """A symbolic link in the file's place."""
    file.rename(file.with_name("real.json"))
    file.symlink_to("real.json")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        *((partial(Path.write_bytes, data=data), said) for said, data in _UNUSABLE.items()),
        (link_elsewhere, "symbolic link"),
        (Path.unlink, "There is no leads file"),
    ],
)
def test_a_file_that_cannot_be_used_stays_as_it_is(run, file, spoil, said):
    """The message names the place and the next step; not a byte is changed, nothing is recorded."""
    spoil(file)
    before = everything(file.parent)
    result = run(*_QUICK_START)
    assert result.exit_code == 1
    assert said in result.stderr.replace("\n", " ")
    after = everything(file.parent)
    assert {path: after[path] for path in after if path.parent == file.parent} == before
    assert not file.parents[2].joinpath("leadpipe.duckdb").exists()


def test_the_name_of_before_works_too(run, file):
    """`sync-posthog-leads`, with the options it had, is `sync-leads`."""
    before = file.read_bytes()
    dry = run(*_SEEDS_NAME, "--project-id", "1", "--dry-run", "--json")
    assert (dry.exit_code, file.read_bytes()) == (3, before)
    synced = run(*_SEEDS_NAME, "--json")
    assert synced.exit_code == 3
    counted = [{name: json.loads(one.stdout)[name] for name in _COUNTS} for one in (dry, synced)]
    assert counted[0] == counted[1]
    assert "Wants to start" in file.read_text()


@pytest.mark.parametrize("name", ["../other", "..", "/etc", "a/b"])
def test_a_tenants_name_cannot_escape(run, file, name):
    """A name that is more than a folder's is refused before anything is read."""
    result = run("sync-leads", "--tenant", name, "--program-id", PROGRAM)
    assert (result.exit_code, "is refused" in result.stderr) == (1, True)


def test_each_sync_is_a_row(run, file, tmp_path):
    """Counts, source, and problems by uuid without ids of leads; a dry run has no row."""
    for extra in ([], ["--dry-run"], []):
        run(*_QUICK_START, *extra)
    warehouse = Warehouse(tmp_path / "data" / "leadpipe.duckdb")
    found = rows(
        warehouse,
        "SELECT tenant, program_id, run_id, source, events, added, already_there, unmatched, rejected, "
        "problems ->> '$[*].uuid', read_until - window_start FROM interaction_syncs ORDER BY synced_at",
    )
    shared = (1, 1, [_UUID.format(4), _UUID.format(5)], timedelta(days=30))
    assert found == [
        (TENANT, PROGRAM, None, "posthog", 5, 3, 0, *shared),
        (TENANT, PROGRAM, None, "posthog", 5, 0, 3, *shared),
    ]
    assert rows(
        warehouse, "SELECT count(*) FROM interaction_syncs WHERE problems LIKE '%nobody%'"
    ) == [(0,)]


def test_a_locked_warehouse_neither_stops_nor_undoes_a_sync(run, file, tmp_path):
    """The file is written, the record waits, and the next sync enters both, each once."""
    run(*_QUICK_START[:3], "--program-id", "another")
    warehouse = Warehouse(tmp_path / "data" / "leadpipe.duckdb")
    with another_process_in(warehouse):
        result = run(*_QUICK_START)
    assert "3 added" in result.stdout
    assert "The record of this sync waits in data/interaction_syncs" in result.stderr.replace(
        "\n", " "
    )
    waiting = list((tmp_path / "data" / "interaction_syncs").iterdir())
    assert len(waiting) == 1
    record = waiting[0].read_bytes()
    run(*_QUICK_START)
    waiting[0].write_bytes(record)  # as if the process had been killed before removing it
    assert enter_records(waiting[0].parent, warehouse) == 0
    assert list(waiting[0].parent.iterdir()) == []
    assert rows(warehouse, "SELECT added FROM interaction_syncs ORDER BY synced_at") == [
        (0,),
        (3,),
        (0,),
    ]


def test_two_syncs_at_once_lose_nothing(run, file, sandbox, monkeypatch):
    """Two processes add the contacts of two programs to one file at the same time: all are in it."""
    monkeypatch.setenv("LEADPIPE_LOCK_TIMEOUT_SECONDS", "60")
    sandbox.control.insert(
        [now_updated(30.0 * n, "lead-1", programId=f"program-{n % 2}") for n in range(4, 44)]
    )
    script = "import sys; from leadpipe.cli import main; main(sys.argv[1:])"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, *_QUICK_START[:3], "--program-id", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for program in ("program-0", "program-1")
    ]
    outputs = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs
    [first, _] = json.loads(file.read_bytes())
    times = [interaction["loggedAt"] for interaction in first["interactions"]]
    assert len(times) == len(set(times)) == 40
    assert times == sorted(times)


def test_the_page_works_as_it_stands(run, file, tmp_path):
    """The commands of docs/tenants.md, typed in order, and the tenants file it shows."""
    typed = [
        shlex.split(line)[1:] for block in blocks(_PAGE, "bash") for line in block.text.splitlines()
    ]
    assert [words[0] for words in typed] == ["sync-leads", "sync-leads", "validate-leads"]
    assert [run(*words).exit_code for words in typed] == [3, 3, 0]
    [listed] = blocks(_PAGE, "toml")
    (tmp_path / "tenants.toml").write_text(listed.text)
    assert read_tenants(tmp_path / "tenants.toml") == [
        "anothertenant/first-program",
        "anothertenant/second-program",
        f"{TENANT}/{PROGRAM}",
    ]


def test_validate_leads_says_what_is_wrong_by_path(run, file):
    """Problems by JSON path; 0, 3 and 1 as exit codes; JSON for programs."""
    good = run("validate-leads", str(file))
    assert (good.exit_code, good.stdout) == (0, "")
    file.write_bytes(text_of([lead("a", {"loggedAt": "x", "contactOutcome": "conversation"})]))
    bad = run("validate-leads", str(file), "--json")
    assert (bad.exit_code, json.loads(bad.stdout)) == (
        3,
        [{"path": "$[0].interactions[0].loggedAt", "problem": "not an ISO 8601 time"}],
    )
    assert run("validate-leads", str(file)).exit_code == 3
    missing = run("validate-leads", "nowhere.json")
    assert (missing.exit_code, "There is no leads file nowhere.json" in missing.stderr) == (1, True)
