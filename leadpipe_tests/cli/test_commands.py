"""The command line as people and programs use it, against the sandbox."""

import csv
import json
from datetime import UTC, datetime, time, timedelta

import click
import pytest
from click.testing import CliRunner, Result

import leadpipe.cli
from leadpipe.domains import HasCommands, parts
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import let_pass
from leadpipe_tests.holding import another_process_in


def yesterday() -> datetime:
    """Ten o'clock on the day before."""
    return datetime.combine(datetime.now(UTC) - timedelta(days=1), time(10), UTC)


@pytest.fixture
def run(todays_clock, sandbox, monkeypatch, tmp_path, runs_forgotten):
    """Types a command; the settings are those of the sandbox and the test's own folder."""
    first = (yesterday() - timedelta(days=2)).date().isoformat()
    for name, value in {
        "POSTHOG_API_KEY": sandbox.api_key,
        "POSTHOG_PROJECT_ID": sandbox.project_id,
        "POSTHOG_BASE_URL": sandbox.url,
        "LEADPIPE_DATA_DIR": str(tmp_path / "data"),
        "LEADPIPE_START_DATE": first,
        "LEADPIPE_LOCK_TIMEOUT_SECONDS": "2",
    }.items():
        monkeypatch.setenv(name, value)

    def typed(*arguments: str) -> Result:
        let_pass(1)
        return CliRunner().invoke(leadpipe.cli.main, arguments)

    return typed


@pytest.fixture
def synced(run, sandbox):
    """The seed's two calls, synced."""
    call = {"listing_id": "listing-123", "seeker_id": "seeker-456", "lister_id": "developer-789"}
    sandbox.control.insert(
        [
            {
                "event": "lead_phone",
                "timestamp": yesterday() + timedelta(minutes=minutes),
                "distinct_id": "seeker-456",
                "properties": call,
            }
            for minutes in (0, 30)
        ]
    )
    result = run("sync")
    assert result.exit_code == 0, result.output
    return run


def test_the_seeds_example_end_to_end_through_http(synced):
    """Two calls by seeker-456 on listing-123: one record of score 60, one hour with 2 leads, 1 unique."""
    [lead] = json.loads(synced("leads", "list", "--json").stdout)
    assert (lead["listing"], lead["seeker_id"], lead["lead_score"], lead["total_actions"]) == (
        "listing-123",
        "seeker-456",
        60,
        2,
    )
    [hour] = json.loads(synced("listings", "listing-123", "--hours", "--json").stdout)
    expected = {"hour": 10, "phone_leads": 2, "total_leads": 2, "unique_leads": 1}
    assert {key: hour[key] for key in expected} == expected
    [listing] = json.loads(synced("listings", "--json").stdout)
    assert (listing["listing_id"], listing["total_leads"], listing["unique_leads"]) == (
        "listing-123",
        2,
        1,
    )


def test_a_second_sync_adds_nothing(synced):
    """Syncing again reads today only, and brings no event and no record."""
    result = synced("sync", "--json")
    [run] = json.loads(result.stdout)["runs"]
    assert (run["events_new"], run["window_start"]) == (0, datetime.now(UTC).date().isoformat())
    assert len(json.loads(synced("leads", "list", "--json").stdout)) == 1


def test_a_dry_run_reads_and_writes_nothing(run, sandbox, tmp_path):
    """A dry run names the days and why, and loads none."""
    result = run("sync", "--dry-run", "--json")
    days = json.loads(result.stdout)
    assert [day["reason"] for day in days] == ["never read"] * 4
    assert not (tmp_path / "data" / "published").exists()
    assert sandbox.control.requests() == []


def test_a_changed_mapping_is_told_before_and_taken_up_by_the_next_sync(synced, tmp_path):
    """A dry run says what would be typed again; the sync does it, and the lead has other points."""
    events = tmp_path / "data" / "events.toml"
    events.write_text('[events.lead_phone]\nmeaning = "lead"\nlead_type = "appointment"\n')
    assert (
        "2 stored ones on 1 day would be typed again (lead_phone)."
        in synced("sync", "--dry-run").stderr
    )
    assert synced("sync").exit_code == 0
    [lead] = json.loads(synced("leads", "list", "--json").stdout)
    assert (lead["lead_score"], lead["total_actions"]) == (80, 2)
    [hour] = json.loads(synced("listings", "listing-123", "--hours", "--json").stdout)
    assert (hour["phone_leads"], hour["appointment_leads"]) == (0, 2)
    events.write_text('[events.lead_phone]\nmeaning = "led"\n')
    result = synced("sync")
    assert (result.exit_code, "Traceback" in result.output) == (1, False)
    assert f"{events}, line 2: unknown meaning 'led'; did you mean lead?" in result.stderr


def test_days_can_be_chosen_and_read_in_full(synced, sandbox):
    """--from, --to and --full load exactly those days, whole."""
    day = yesterday().date().isoformat()
    [run] = json.loads(synced("sync", "--from", day, "--to", day, "--full", "--json").stdout)[
        "runs"
    ]
    assert (run["window_start"], run["window_end"]) == (day, day)
    assert (run["events_fetched"], run["events_new"], run["events_duplicate"]) == (2, 0, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--from", "2026-11-05", "--to", "2026-11-01"),
            "--from 2026-11-05 is after --to 2026-11-01",
        ),
        (("--from", "2001-01-01"), "LEADPIPE_START_DATE=2001-01-01"),
        (("--to", "2999-01-01"), "can be loaded"),
    ],
)
def test_days_that_cannot_be_loaded_are_refused(run, arguments, message):
    """A wrong range is one line that says what would work."""
    result = run("sync", *arguments)
    assert (result.exit_code, message in result.stderr, "Traceback" in result.output) == (
        1,
        True,
        False,
    )


def test_status_and_notes_are_kept(synced):
    """A person's words appear in list and show, and stay after a rebuild."""
    assert (
        synced(
            "leads", "status", "listing-123_seeker-456", "contacted", "--author", "ama"
        ).exit_code
        == 0
    )
    assert synced("leads", "note", "listing-123_seeker-456", "=cmd|' /C calc'!A0").exit_code == 0
    assert synced("rebuild").exit_code == 0
    [lead] = json.loads(synced("leads", "list", "--status", "contacted", "--json").stdout)
    shown = json.loads(synced("leads", "show", lead["lead_id"][:5], "--json").stdout)
    assert (shown["status"], shown["status_changed_by"]) == ("contacted", "ama")
    assert [note["text"] for note in shown["notes"]] == ["=cmd|' /C calc'!A0"]
    text = synced("leads", "show", lead["lead_id"]).stdout
    assert "contacted" in text
    assert "30" in text


def test_csv_is_safe_to_open_in_a_spreadsheet(run, sandbox):
    """A text that looks like a formula is quoted; numbers and dates stay what they are."""
    sandbox.control.insert(
        [
            {
                "event": "lead_phone",
                "timestamp": yesterday(),
                "distinct_id": "d",
                "properties": {"listing_id": "=1+1", "seeker_id": "-s"},
            }
        ]
    )
    run("sync")
    [row] = csv.DictReader(run("leads", "list", "--csv").stdout.splitlines())
    assert (row["listing"], row["seeker_id"], row["lead_score"]) == ("'=1+1", "'-s", "30")


def test_new_rules_can_be_tried_before_use(synced, tmp_path):
    """try-scores shows what would change, and changes nothing."""
    rules = tmp_path / "new.toml"
    rules.write_text(
        'version = "2027"\n[points]\nappointment = 1\nphone = 7\ndirect_message = 1\n'
        "whatsapp = 1\nemail = 1\nwebsite = 1\n"
    )
    [row] = json.loads(synced("leads", "try-scores", str(rules), "--json").stdout)
    assert (row["score"], row["new_score"], row["change"]) == (60, 14, -46)
    [lead] = json.loads(synced("leads", "list", "--json").stdout)
    assert lead["lead_score"] == 60


def test_runs_and_days_say_what_happened(synced):
    """The ledger and the verdict per day are one command away."""
    [entry] = json.loads(synced("runs", "--json").stdout)
    assert (entry["kind"], entry["status"], entry["events_new"]) == ("manual", "succeeded", 2)
    days = json.loads(synced("days", "--json").stdout)
    assert [(day["warehouse_events"], day["is_complete"]) for day in days] == [
        (0, True),
        (2, True),
        (0, True),
        (0, True),
    ]
    assert json.loads(synced("days", "--incomplete", "--json").stdout) == []


def test_a_run_is_named_by_the_start_of_its_id(synced):
    """One run, or its parts; a start that is nobody's has no run."""
    [run_id] = {entry["run_id"] for entry in json.loads(synced("runs", "--json").stdout)}
    for words in ((), ("--parts",)):
        [entry] = json.loads(synced("runs", run_id[:8], *words, "--json").stdout)
        assert entry["run_id"] == run_id
    assert "No such run." in synced("runs", "zzz").stderr


def test_an_ambiguous_listing_is_answered_with_those_that_fit(synced, sandbox):
    """The start of one is enough; its whole name is no start."""
    calls = [
        {
            "event": "lead_phone",
            "timestamp": yesterday(),
            "distinct_id": "seeker-1",
            "properties": {"listing_id": name, "seeker_id": "seeker-1", "lister_id": "d"},
        }
        for name in ("listing-1234", "listing-77")
    ]
    sandbox.control.insert(calls)
    synced("sync", "--full", "--from", yesterday().date().isoformat())

    def found(start):
        return [one["listing_id"] for one in json.loads(synced("listings", start, "--json").stdout)]

    assert (found("listing-7"), found("listing-123")) == (["listing-77"], ["listing-123"])
    result = synced("listings", "listing-12")
    assert (result.exit_code, "2 listings fit" in result.stderr) == (1, True)
    assert "listing-123, listing-1234. Type more of the id." in result.stderr


def test_a_sync_says_what_its_counts_mean(run, sandbox):
    """Second copies and rejected events each have a line; what is as expected has none."""
    whole = {"listing_id": "l", "seeker_id": "s", "lister_id": "d"}
    sandbox.control.insert(
        [
            {
                "event": "lead_phone",
                "timestamp": yesterday(),
                "distinct_id": "s",
                "properties": properties,
            }
            for properties in (whole, {"seeker_id": "s"})
        ]
    )
    said = run("sync").stderr
    assert "rejected: 1 × lead with neither listing nor profile. They are kept" in said
    assert "duplicate:" not in said
    day = yesterday().date().isoformat()
    assert "duplicate: 2 rows were second copies, or read before" in (
        run("sync", "--full", "--from", day, "--to", day).stderr
    )


def test_check_says_that_all_is_well(synced):
    """With everything in place each line is fine and the exit code is 0."""
    result = synced("check", "--json")
    findings = {finding["what"]: finding for finding in json.loads(result.stdout)}
    assert result.exit_code == 0
    assert {what for what, finding in findings.items() if finding["verdict"] != "ok"} <= {"disk"}
    assert "2 of leadpipe's events" in findings["events"]["text"]
    assert "time zone UTC" in findings["project"]["text"]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"POSTHOG_API_KEY": ""}, "POSTHOG_API_KEY not set"),
        ({"POSTHOG_PROJECT_ID": ""}, "POSTHOG_PROJECT_ID not set"),
        ({"POSTHOG_API_KEY": "phc_0123456789"}, "phx_"),
        ({"POSTHOG_API_KEY": "phx_wrong"}, "key"),
        ({"POSTHOG_PROJECT_ID": "77"}, "77"),
        ({"POSTHOG_BASE_URL": "http://posthog.example.com"}, "https"),
        ({"LEADPIPE_PAGE_ROWS": "90000"}, "LEADPIPE_PAGE_ROWS"),
        ({"LEADPIPE_SIGNUP_EVENT": "x' OR 1=1 --"}, "x' OR 1=1 --"),
        ({"LEADPIPE_EXTRA_EVENTS": "fine,bad{name}"}, "bad{name}"),
    ],
)
@pytest.mark.parametrize("command", ["check", "sync"])
def test_wrong_settings_are_one_clear_line(run, monkeypatch, command, environment, message):
    """A wrong key, host, project or setting is named, without a traceback and without the key."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = run(command)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert "phc_0123456789" not in result.output
    assert "phx_wrong" not in result.output


def test_a_missing_scope_is_named(run, sandbox):
    """A key without query:read is told so by name."""
    sandbox.control.scopes("project:read")
    for command in ("check", "sync"):
        result = run(command)
        assert (result.exit_code, "query:read" in result.output) == (1, True)


def test_a_used_up_quota_is_one_line(run, sandbox):
    """A final refusal in the middle of a sync ends it with one line and exit code 1."""
    sandbox.control.fault("quota_402", times=-1)
    result = run("sync")
    assert (result.exit_code, "quota" in result.output.lower(), "Traceback" in result.output) == (
        1,
        True,
        False,
    )


def test_a_held_warehouse_is_named_with_its_process(synced, tmp_path):
    """Another process that has the file is named by its id."""
    with another_process_in(Warehouse(tmp_path / "data" / "leadpipe.duckdb")) as pid:
        checked, tried = synced("check"), synced("sync")
    assert f"process {pid}" in checked.output
    assert (tried.exit_code, f"process {pid}" in tried.output) == (1, True)


def test_reading_before_the_first_sync_says_what_to_do(run):
    """Without published tables the read commands name the next step."""
    for command in (["runs"], ["days"], ["listings"], ["leads", "list"], ["leads", "show", "x"]):
        result = run(*command)
        assert (result.exit_code, "leadpipe sync" in result.output) == (1, True)


def test_hours_want_a_listing(synced):
    """--hours without a listing is an error with an example."""
    assert "leadpipe listings listing-123 --hours" in synced("listings", "--hours").output


def test_the_demo_does_not_mix_with_a_real_project(run):
    """With a key configured the demo refuses."""
    result = run("demo")
    assert (result.exit_code, "POSTHOG_API_KEY is set" in result.output) == (1, True)


def test_every_command_has_help_with_an_example():
    """Help says what a command does and shows it typed; no domain's commands are left out."""
    runner = CliRunner()
    context = click.Context(leadpipe.cli.main)
    names = leadpipe.cli.main.list_commands(context)
    brought = {str(command.name) for _, part in parts(HasCommands) for command in part.COMMANDS}
    assert brought <= set(names)
    for name in names:
        command = leadpipe.cli.main.get_command(context, name)
        for path in [[name, sub] for sub in getattr(command, "commands", {})] or [[name]]:
            text = runner.invoke(leadpipe.cli.main, [*path, "--help"]).output
            if path != ["sandbox"]:
                assert "Example" in text, path
                assert "leadpipe " + path[0] in text
