"""A data folder whose path is a pattern to DuckDB, and a folder to everybody else."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from click.testing import CliRunner

import leadpipe
import leadpipe.cli
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import let_pass

_READS = (
    "leads list",
    "listings",
    "runs",
    "days",
    "visitors list",
    "failed list",
    "succeeded list",
    "inbox status",
)


@pytest.mark.file_only("a lake names its own settings")
def test_a_question_mark_is_refused_before_anything_is_written(sandbox, monkeypatch, tmp_path):
    """DuckDB cannot have it in a database's path; the message says where else to put it."""
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(tmp_path / "c?d"))
    result = CliRunner().invoke(leadpipe.cli.main, ["rebuild"])
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: The warehouse {tmp_path}/c?d/leadpipe.duckdb has a question mark in its path, which "
        "DuckDB takes for a web address. Choose another folder: LEADPIPE_DATA_DIR, or LEADPIPE_WAREHOUSE "
        "for the file alone.\n"
    )
    assert not (tmp_path / "c?d").exists()


def test_nor_can_dagster_keep_its_runs_under_one(sandbox, monkeypatch, tmp_path):
    """With the DuckDB file elsewhere, the first command that runs something says so."""
    for variable, value in {
        "POSTHOG_API_KEY": sandbox.api_key,
        "POSTHOG_PROJECT_ID": sandbox.project_id,
        "POSTHOG_BASE_URL": sandbox.url,
        "LEADPIPE_DATA_DIR": str(tmp_path / "c?d"),
        "LEADPIPE_WAREHOUSE": str(tmp_path / "plain" / "first.duckdb"),
        "DAGSTER_HOME": str(tmp_path / "home"),
    }.items():
        monkeypatch.setenv(variable, value)
    result = CliRunner().invoke(leadpipe.cli.main, ["sync"])
    assert result.exit_code == 1
    assert result.stderr.strip().startswith(
        f"Error: The data folder {tmp_path}/c?d has a question mark in its path"
    )
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("name", ["a[b]*c", "[a-z]**", "it's {x}"])
def test_a_folder_may_have_any_name(todays_clock, sandbox, monkeypatch, tmp_path, name):
    """Syncs, every read, a backup and its return work in it, beside folders the pattern would mean."""
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=30)
    (tmp_path / "abc" / "landing").mkdir(parents=True)
    for variable, value in {
        "POSTHOG_API_KEY": sandbox.api_key,
        "POSTHOG_PROJECT_ID": sandbox.project_id,
        "POSTHOG_BASE_URL": sandbox.url,
        "LEADPIPE_DATA_DIR": str(tmp_path / name / "data"),
        "LEADPIPE_WAREHOUSE": str(tmp_path / name / "first.duckdb"),
        "LEADPIPE_START_DATE": (at - timedelta(days=1)).date().isoformat(),
    }.items():
        monkeypatch.setenv(variable, value)
    events = {
        event: {
            "uuid": f"00000000-0000-4000-8000-{number:012d}",
            "event": event,
            "timestamp": at,
            "distinct_id": "ann",
            "properties": {"listing_id": "L", "seeker_id": "ann"},
        }
        for number, event in enumerate(("lead_phone", "property_view", "$pageview"))
    }
    sandbox.control.insert(list(events.values()))

    def typed(words: str, *more: str) -> str:
        let_pass(1)
        result = CliRunner().invoke(leadpipe.cli.main, [*words.split(), *more])
        assert result.exit_code == 0, result.output
        return result.stdout

    typed("sync")
    read = {words: json.loads(typed(words, "--json")) for words in _READS}
    [lead], [listing], *_ = read.values()
    assert (lead["listing"], lead["seeker_id"], lead["lead_score"]) == ("L", "ann", 30)
    assert (listing["listing_id"], listing["total_views"]) == ("L", 1)
    assert list(leadpipe.read("grouped_leads")["seeker_id"]) == ["ann"]
    assert sum(leadpipe.read("listing_analytics")["total_leads"].astype(int)) == 1
    archive = tmp_path / name / "kept" / "all.tar.gz"
    typed("backup", str(archive))
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(tmp_path / name / "again"))
    monkeypatch.setenv("LEADPIPE_WAREHOUSE", str(tmp_path / name / "again.duckdb"))
    typed("restore", str(archive))
    typed("rebuild")
    again = {words: json.loads(typed(words, "--json")) for words in ("leads list", "listings")}
    assert again == {words: read[words] for words in again}

    del events["property_view"]
    sandbox.control.reset()
    early = {"uuid": str(UUID(int=9)), "timestamp": at - timedelta(days=9)}
    early["created_at"] = datetime.now(UTC)
    sandbox.control.insert([*events.values(), events["lead_phone"] | early])
    let_pass(600)
    typed("sync")
    [listing] = json.loads(typed("listings", "--json"))
    assert (listing["total_views"], listing["total_leads"]) == (0, 1)
    with Warehouse(tmp_path / name / "again.duckdb").connect() as connection:
        assert connection.execute("SELECT reason FROM rejected_events").fetchall() == [
            (f"timestamp outside the days loaded, {(at - timedelta(days=1)).date()} to today",)
        ]
