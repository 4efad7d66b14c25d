"""`leadpipe lake` and `leadpipe warehouse`, and the nightly asset, on a lake whose catalog is a file."""

import json
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

import leadpipe.cli
from leadpipe.definitions import build_defs
from leadpipe.events.wiping import note_deletion
from leadpipe.settings import whole_settings
from leadpipe.warehouse import Warehouse, snapshots
from leadpipe_tests.clocks import NOW
from leadpipe_tests.dagster_ui.builders import QUIET
from leadpipe_tests.events.builders import event, rows, take_in


def run(*words):
    """Type a command; what it printed."""
    result = CliRunner().invoke(leadpipe.cli.main, [*words])
    assert result.exit_code == 0, result.output
    return result.stdout


def fail(*words):
    """Type a command that ends with an error; its line."""
    result = CliRunner().invoke(leadpipe.cli.main, [*words])
    assert result.exit_code == 1, result.output
    return result.stderr


@pytest.fixture
def where(tmp_path, monkeypatch):
    """What LEADPIPE_WAREHOUSE is for a lake in the test's folder; data lies beside it."""
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(tmp_path / "data"))
    return f"ducklake:{tmp_path}/catalog.ducklake"


@pytest.fixture
def lake(where, monkeypatch, tmp_path):
    """A lake with three folds of a run each, that the environment names."""
    monkeypatch.setenv("LEADPIPE_WAREHOUSE", where)
    settings = whole_settings()(_env_file=None)
    warehouse = Warehouse(settings.warehouse_path, lock_timeout_seconds=5.0, lake=settings.lake)
    for n in range(3):
        take_in(
            warehouse,
            tmp_path,
            [event("lead_phone", NOW - timedelta(minutes=n), seeker_id=f"person-{n}")],
            run_id=f"{n}-run",
            now=NOW,
        )
    return warehouse


def test_the_past_is_listed_and_asked(lake):
    """Runs by their ids, a state by a run or a time; a table of today's state is not in a state of then."""
    found = json.loads(run("lake", "history", "--json"))
    assert [one["run_id"] for one in found if one["run_id"]] == ["2-run", "1-run", "0-run"]
    [only] = json.loads(run("lake", "history", "--run", "1-", "--json"))
    assert only["what"] == "fold of 1 events"
    question = "SELECT count(*) AS events FROM raw_events"
    assert json.loads(run("lake", "at", "1-run", question, "--json")) == [{"events": 2}]
    now = snapshots(lake)[0].made_at.isoformat()
    assert json.loads(run("lake", "at", now, question, "--json")) == [{"events": 3}]
    assert "The oldest state that is kept is of" in fail("lake", "at", "2020-01-01", question)
    assert "cannot be answered from the state of" in fail(
        "lake", "at", "1-run", "SELECT * FROM nothing"
    )


def test_it_is_maintained_and_forgets(lake, tmp_path):
    """Counts before and after; an erasure leaves one state, and no byte of the person."""
    done = json.loads(run("lake", "maintain", "--json"))
    assert done["files now"] < done["files before"]
    with lake.writing("door") as connection:
        connection.execute("DELETE FROM raw_events WHERE seeker_id = 'person-1'")
        note_deletion(connection, now=NOW)
    files = [*(tmp_path / "catalog.ducklake.data").rglob("*.parquet")]
    assert "bytes are left" in run("lake", "forget")
    left = [*(tmp_path / "catalog.ducklake.data").rglob("*.parquet")]
    assert len(left) < len(files)
    assert not [one for one in left if b"person-1" in one.read_bytes()]
    assert b"person-1" not in (tmp_path / "catalog.ducklake").read_bytes()
    assert rows(lake, "SELECT count(*) FROM deletions_to_wipe") == [(0,)]


@pytest.mark.file_only("says what a file has not")
def test_a_file_says_what_there_is_instead(warehouse, monkeypatch):
    """Its commands end with one line that names the next step."""
    monkeypatch.setenv("LEADPIPE_WAREHOUSE", str(warehouse.path))
    assert "is a file, which has no past" in fail("lake", "history")
    assert "is a file and needs none of this" in fail("lake", "maintain")
    assert "`leadpipe days audit` writes it anew" in fail("lake", "forget")


@pytest.mark.file_only("moves a lake to a file")
def test_it_moves_by_a_command(lake, where, monkeypatch, tmp_path):
    """To a file and to another lake, each told with the setting to make."""
    with lake.writing("door") as connection:
        connection.execute("UPDATE run_parts SET status = 'succeeded'")
        connection.execute("UPDATE runs SET status = 'succeeded'")
    to = tmp_path / "single.duckdb"
    assert f"Set LEADPIPE_WAREHOUSE={to}" in run("warehouse", "move", str(to))
    assert rows(Warehouse(to), "SELECT count(*) FROM raw_events") == [(3,)]
    assert "This lake was moved to" in fail("lake", "history")
    monkeypatch.setenv("LEADPIPE_WAREHOUSE", str(to))
    assert "This lake was moved to" in fail("warehouse", "move", where)
    again = f"ducklake:{tmp_path}/again.ducklake"
    assert f"Set LEADPIPE_WAREHOUSE={again}" in run("warehouse", "move", again)
    assert (tmp_path / "single.duckdb.moved").exists()
    assert "says where to" in fail("backup")


@pytest.mark.usefixtures("lake")
def test_the_nightly_asset_says_what_it_did(tmp_path, monkeypatch):
    """Numbers as metadata."""
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(tmp_path / "data"))
    settings = whole_settings()(_env_file=None)
    definitions = build_defs(settings=settings)
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            asset_selection=[dg.AssetKey("lake_maintenance")],
            instance=instance,
            run_config=QUIET,
        )
        [event_] = result.asset_materializations_for_node("lake_maintenance")
    said: dict[str, Any] = {name: value.value for name, value in event_.metadata.items()}
    assert said["files"] < said["files before"]
    assert "raw_events" in said["tables tidied"]
    assert said["orphans removed"] == 0
