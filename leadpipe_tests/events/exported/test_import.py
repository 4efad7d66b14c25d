"""`leadpipe import`: files by hand, from anywhere, told file by file, and the days they touch proved."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

import leadpipe.cli
from leadpipe.events.persons import PersonRank
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
        "persons_files": [],
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


@pytest.mark.parametrize(
    ("format_", "compression"),
    [("Parquet", "zstd"), ("JSONLines", None), ("JSONLines", "gzip"), ("JSONLines", "brotli")],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_persons_are_taken_by_their_columns(
    sandbox, warehouse, run, tmp_path, format_, compression, is_first
):
    """A file of persons beside one of events, in any order: a line says so, and the events get theirs."""
    ingested = write_parquet(
        tmp_path / "events", [{**row, "person_id": _UUID.format(99)} for row in events()]
    )
    persons = persons_file(sandbox, tmp_path, format=format_, compression=compression)
    result = run("--unproved", *((persons, ingested) if is_first else (ingested, persons)))
    assert result.exit_code == 0, result.output
    days = "0 days" if is_first else "1 day"
    assert (
        f"{persons}: 1 rows of persons; on {days} events have another person now" in result.stderr
    )
    (found,) = rows(warehouse, "SELECT DISTINCT person_id, person_rank FROM raw_events")
    assert found[1] == PersonRank.EXPORT
    assert found[0] != _UUID.format(99)
    assert rows(warehouse, "SELECT status, events_new FROM runs") == [("succeeded", 12)]


def test_persons_of_another_project_are_refused(sandbox, warehouse, run, tmp_path):
    """Their rows name the project; nothing is taken of them, unless one says that nobody is to be asked."""
    path = persons_file(sandbox, tmp_path, team_id=77)
    result = run(path)
    assert result.exit_code == 1
    assert (
        f"✗ {path} is of another project: its persons are of project 77, not of project 1. Nothing of it was "
        "loaded." in result.stderr
    )
    assert rows(warehouse, "SELECT count(*) FROM person_overrides") == [(0,)]
    assert run("--unproved", path).exit_code == 0
    assert rows(warehouse, "SELECT count(*) FROM person_overrides") == [(1,)]


def test_brotli_is_unpacked_and_proved(sandbox, warehouse, run, tmp_path):
    """A batch export's JSON Lines in brotli, whatever the file is called; nothing unpacked is left."""
    sandbox.control.insert(events())
    (key,) = export_to(sandbox, tmp_path, format="JSONLines", compression="brotli")
    path = (tmp_path / key).rename(tmp_path / "download")
    result = run(path)
    assert result.exit_code == 0, result.output
    assert "Proved: 2026-11-20 has exactly PostHog's events." in result.stderr
    assert list((warehouse.path.parent / "landing").iterdir()) == []


def persons_file(sandbox, folder, **kind):
    """An export of the persons of the events."""
    sandbox.control.insert(events())
    (key,) = export_to(sandbox, folder, model="persons", **kind)
    return folder / key


def export_to(sandbox, folder, **kind):
    """The keys of a batch export of the day to a folder."""
    start = datetime(2026, 11, 20, tzinfo=UTC)
    return sandbox.control.export_to(
        {"folder": str(folder)},
        start=start,
        end=start + timedelta(days=1),
        interval="day",
        **kind,
    )
