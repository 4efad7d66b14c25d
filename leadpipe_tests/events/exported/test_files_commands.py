"""`leadpipe files`, and what `leadpipe check` says of a bucket."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner

import leadpipe.cli
from leadpipe.events.exported.findings import of_bucket
from leadpipe.events.settings import EventsSettings
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import event, rows

_NAME = "2026-11-21T10:00:00+00:00-2026-11-21T11:00:00+00:00.parquet.zst"


@pytest.fixture
def folder(tmp_path):
    """A folder that stands for a bucket."""
    (tmp_path / "exports").mkdir()
    return tmp_path / "exports"


@pytest.fixture
def run(sandbox, tmp_path, folder, monkeypatch, runs_forgotten):
    """Runs a command with the bucket configured."""
    environment = {
        "POSTHOG_API_KEY": sandbox.api_key,
        "POSTHOG_PROJECT_ID": sandbox.project_id,
        "POSTHOG_BASE_URL": sandbox.url,
        "LEADPIPE_DATA_DIR": str(tmp_path / "data"),
        "LEADPIPE_START_DATE": (TODAY - timedelta(days=14)).isoformat(),
        "LEADPIPE_BUCKET": str(folder),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def ran(words, **changed):
        for name, value in changed.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(leadpipe.cli.main, words.split())

    return ran


def test_files_are_taken_and_listed(sandbox, run, folder, warehouse):
    """What is new is taken now, and what became of each file is listed; a bad one ends with 1."""
    sandbox.control.insert(
        [event("property_view", NOW - timedelta(hours=hours), listing_id="L") for hours in (27, 26)]
    )
    first, second = sandbox.control.export_to(
        {"folder": str(folder)}, start=NOW - timedelta(hours=28), end=NOW
    )
    content = (folder / second).read_bytes()
    (folder / second).write_bytes(b"PAR1 and half of it")
    taken = run("files take")
    assert taken.exit_code == 1
    assert "check every_exported_file_was_taken failed" in taken.stderr
    listed = json.loads(run("files --json").stdout)
    assert {one["key"]: one["state"] for one in listed} == {first: "taken", second: "unreadable"}
    unreadable = json.loads(run("files --state unreadable --json").stdout)
    assert [one["key"] for one in unreadable] == [second]
    (folder / second).write_bytes(content)
    again = run("files take")
    assert again.exit_code == 0, again.output
    assert second in again.stdout
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(2,)]


def test_without_a_bucket_the_setting_is_named(run):
    """The line says which setting it is, and what it names."""
    result = run("files take", LEADPIPE_BUCKET="")
    assert result.exit_code != 0
    assert "LEADPIPE_BUCKET is not set" in result.output


def finding(**settings):
    """What check says: verdict and text."""
    found = of_bucket(EventsSettings(_env_file=None, **settings))
    return (found.verdict, found.text) if found else None


def test_check_says_what_is_in_the_bucket(s3_bucket):
    """It lists, and reads a byte; the number of files, their size, and up to when they are."""
    assert finding() is None
    settings = s3_bucket.settings(prefix="exports")
    address = settings["bucket"]
    s3_bucket.put("exports/readme.txt", b"ours")
    assert finding(**settings) == (
        "warning",
        (
            f"{address} can be listed; no exported file is there yet (1 other objects are). Is PostHog's "
            "batch export on, and its prefix the same?"
        ),
    )
    s3_bucket.put(f"exports/{_NAME}", b"1" * 200_000)
    assert finding(**settings) == (
        "ok",
        (
            f"{address} can be listed and read: 1 exported files, 0.2 MB, the latest up to "
            "2026-11-21T11:00:00+00:00"
        ),
    )
    verdict, text = finding(**settings | {"bucket_key_id": "whoever"}) or ("", "")
    assert (verdict, "does not know LEADPIPE_BUCKET_KEY_ID" in text) == ("wrong", True)
