"""`leadpipe import`: files by hand, from anywhere, told file by file, and the days they touch proved."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

import leadpipe.cli
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import event, load, rows
from leadpipe_tests.events.exported.builders import write_json_lines, write_parquet
from leadpipe_tests.events.test_sync import plan
from leadpipe_tests.posthog_sandbox.export_asking import created, fetched

_AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
_DAY = _AT.date()
_UUID = "00000000-0000-4000-8000-{:012d}"


def events(count=12, at=_AT, **fields):
    """Views of one listing, a second apart."""
    return [
        event(
            "property_view",
            at + timedelta(seconds=n),
            uuid=_UUID.format(n),
            distinct_id="anna",
            listing_id="L",
            **fields,
        )
        for n in range(count)
    ]


@pytest.fixture
def run(settings, monkeypatch):
    """The command, with the settings of the test in its environment."""
    key = settings.posthog_api_key.get_secret_value()
    for name, value in {
        "POSTHOG_API_KEY": key,
        "POSTHOG_PROJECT_ID": settings.posthog_project_id,
        "POSTHOG_BASE_URL": settings.posthog_base_url,
        "LEADPIPE_DATA_DIR": str(settings.data_dir),
    }.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(
        leadpipe.cli.main, ["import", *map(str, arguments)]
    )


def test_a_day_that_files_brought_is_proved(sandbox, settings, warehouse, run, tmp_path):
    """It has PostHog's events, so no query reads it; the run is in the ledger as a person's."""
    sandbox.control.insert(events())
    start = datetime(2026, 11, 20, tzinfo=UTC)
    export = created(
        sandbox,
        data_interval_start=start.isoformat(),
        data_interval_end=(start + timedelta(days=1)).isoformat(),
    )
    (path,) = fetched(sandbox, tmp_path, export)
    result = run(path, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "files": [
            {
                "file": str(path),
                "rows": 12,
                "new": 12,
                "seen before": 0,
                "not asked for": 0,
                "rejected": "",
            }
        ],
        "bad_files": {},
        "days_equal": ["2026-11-20"],
        "days_differing": [],
        "days_unproved": [],
    }
    assert "Proved: 2026-11-20 has exactly PostHog's events." in result.stderr
    assert rows(warehouse, "SELECT kind, status, events_fetched, events_new FROM runs") == [
        ("manual", "succeeded", 12, 12)
    ]
    assert _DAY not in plan(settings, warehouse).reasons


def test_a_day_that_lacks_events_is_read_by_the_next_sync(
    sandbox, settings, warehouse, run, tmp_path
):
    """It is told, and loading it brings what is missing."""
    sandbox.control.insert(events())
    stored = [{**row, "person_id": None} for row in events(11)]
    result = run(write_parquet(tmp_path / "x.parquet", stored))
    assert result.exit_code == 0, result.output
    assert "Not yet: 2026-11-20 has other events than PostHog's" in result.stderr
    assert _DAY in plan(settings, warehouse).reasons
    assert load(settings, warehouse, [_DAY], run_id="run-2").ingested.new == 1


def test_bad_files_do_not_stop_the_good_ones(sandbox, warehouse, run, tmp_path):
    """Each is one line at the end, the exit code says so, and the ledger has it."""
    sandbox.control.insert(events())
    good = write_parquet(tmp_path / "good.parquet", events(6))
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(good.read_bytes()[:-9])
    more = write_json_lines(tmp_path / "more.jsonl.gz", events(12))
    result = run(cut, good, tmp_path / "none", more)
    assert result.exit_code == 1
    cut_line, missing_line = [line for line in result.stderr.splitlines() if line.startswith("✗")]
    assert cut_line.startswith(f"✗ {cut} is damaged or was cut off")
    assert missing_line == f"✗ {tmp_path / 'none'} does not exist. Check the path."
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(12,)]
    assert rows(warehouse, "SELECT status, error, events_new, events_duplicate FROM runs") == [
        ("failed", "2 of 4 files could not be taken", 12, 6)
    ]


def test_a_file_of_another_project_is_refused(sandbox, warehouse, run, tmp_path):
    """PostHog knows none of its events; a few that were deleted do not make another project."""
    sandbox.control.insert(events())
    other = [{**row, "uuid": row["uuid"].replace("8000", "8001")} for row in events(10)]
    few = [{**row, "uuid": row["uuid"].replace("8000", "8002")} for row in events(9)]
    result = run(
        write_parquet(tmp_path / "other.parquet", other),
        write_parquet(tmp_path / "few.parquet", few),
    )
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("✗")]
    assert f"{tmp_path / 'other.parquet'} is of another project" in line
    assert "none of 10 of its events of 2026-11-20" in line
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(9,)]


def test_without_posthog_files_are_taken_unproved(warehouse, run, tmp_path, monkeypatch):
    """Who has no PostHog any more says so; who does not say so is told the word."""
    monkeypatch.setenv("POSTHOG_API_KEY", "")
    path = write_parquet(tmp_path / "x.parquet", events())
    refused = run(path)
    assert refused.exit_code == 1
    assert "say `--unproved`" in refused.stderr
    result = run("--unproved", path)
    assert result.exit_code == 0, result.output
    assert "Unproved: 2026-11-20." in result.stderr
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(12,)]


def test_what_is_left_out_is_told_by_count(sandbox, settings, run, tmp_path, monkeypatch):
    """Events of the future, and of before the first day."""
    monkeypatch.setenv("LEADPIPE_START_DATE", "2026-11-20")
    old = _AT - timedelta(days=40)
    path = write_parquet(
        tmp_path / "x.parquet",
        [
            event("property_view", NOW + timedelta(days=3), created_at=NOW - timedelta(hours=1)),
            event("property_view", old, created_at=_AT),
            event("property_view", old, created_at=old),
            *events(1, at=NOW - timedelta(hours=1)),
        ],
    )
    result = run(path, "--json")
    (file,) = json.loads(result.stdout)["files"]
    assert (file["rows"], file["new"], file["rejected"]) == (
        4,
        1,
        "2 dated outside the days loaded; 1 before the first day loaded",
    )
    assert "To take them, set LEADPIPE_START_DATE" in result.stderr
    assert json.loads(result.stdout)["days_differing"] == [str(TODAY)]
