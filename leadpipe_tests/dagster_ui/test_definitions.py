"""What Dagster loads: it is valid, complete, and described for the people who look at it."""

import shutil
import subprocess
import sys
import tomllib
from importlib import import_module

import dagster as dg
import yaml

from leadpipe.automation import SYNC_TAG
from leadpipe.definitions import build_defs
from leadpipe.settings import whole_settings
from leadpipe_tests.dagster_ui.builders import shown_of, with_everything
from leadpipe_tests.dagster_ui.processes import REPOSITORY, environment


def test_the_workspace_is_valid(sandbox, tmp_path):
    """`dagster definitions validate -w workspace.yaml` finds nothing wrong, in an empty folder too."""
    shutil.copy(REPOSITORY / "workspace.yaml", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=tmp_path,
        env=environment(sandbox, DAGSTER_HOME=""),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Validation successful" in done.stdout + done.stderr


def test_dg_finds_the_definitions():
    """`dg check defs` and `dg dev` in a clone load what `workspace.yaml` loads."""
    said = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["dg"]
    assert said["directory_type"] == "project"
    project = said["project"]
    assert (REPOSITORY / project["root_module"] / "__init__.py").is_file()
    target = project["code_location_target_module"]
    assert isinstance(import_module(target).defs, dg.Definitions)
    workspace = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text())
    assert workspace == {"load_from": [{"python_module": target}]}


def test_it_loads_without_a_key(tmp_path):
    """Nothing is asked of PostHog or the warehouse before something is run."""
    definitions = build_defs(
        settings=whole_settings()(_env_file=None, data_dir=tmp_path / "nowhere")
    )
    dg.Definitions.validate_loadable(definitions)
    assert not (tmp_path / "nowhere" / "leadpipe.duckdb").exists()


def test_every_asset_and_check_is_described():
    """Every asset has a description, a group, kinds, and if it is run a pool that keeps runs apart.

    Which they are is in the tests of each domain.
    """
    definitions = with_everything()
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert len(node.description or "") > (60 if node.is_executable else 20), key
        assert all((node.group_name != "default", node.kinds)), key
        assert bool(node.pools) == node.is_executable, key
    specs = [spec for checks in definitions.asset_checks or () for spec in checks.check_specs]
    assert len(specs) == len(graph.asset_check_keys)
    assert [spec.name for spec in specs if not spec.description] == []


def test_what_is_always_there():
    """Events come in, wait in the inbox, and the tables are published."""
    assert shown_of("events") == {
        "raw_events": (
            ("events", "warehouse", "duckdb", "posthog"),
            {
                "every_day_is_complete",
                "uuid_is_unique",
                "every_uuid_is_one_event",
                "webhook_events_are_confirmed",
                "events_are_fresh",
            },
        ),
        "exported_files": (
            ("arrivals", "warehouse", "duckdb", "posthog"),
            {"every_exported_file_was_taken"},
        ),
        "audited_days": (("events", "warehouse", "duckdb", "posthog"), set()),
        "lake_maintenance": (("events", "warehouse", "duckdb"), set()),
    }
    assert shown_of("published") == {
        "published_tables": (
            ("published", "warehouse", "parquet"),
            {"published_tables_equal_the_warehouse"},
        ),
    }
    assert shown_of("inspecting") == {
        "inspected_tables": (
            ("published", "warehouse", "duckdb", "parquet"),
            {"all_that_was_inspected_holds"},
        ),
    }


def test_what_cannot_do_anything_here_is_not_shown(tmp_path):
    """On a file there is no maintenance of a lake, without a partner's list no comparison with it."""

    def names(**settings):
        defs = build_defs(settings=whole_settings()(_env_file=None, data_dir=tmp_path, **settings))
        repository = defs.get_repository_def()
        graph = repository.asset_graph
        return {key.to_user_string() for key in graph.get_all_asset_keys()} | {
            *repository.job_names,
            *(schedule.name for schedule in repository.schedule_defs),
            *(key.name for key in graph.asset_check_keys),
        }

    of_a_lake = {"lake_maintenance"}
    of_a_list = {"reconciliation", "reconcile", "reconcile_yesterday", "partner_has_every_lead"}
    partner = {"npa_api_url": "https://npa.example"}
    everything = names(warehouse=f"ducklake:{tmp_path}/a.ducklake", **partner)
    assert everything >= of_a_lake | of_a_list
    assert names(warehouse=str(tmp_path / "file.duckdb"), **partner) == everything - of_a_lake
    without = everything - of_a_lake - of_a_list
    assert names(warehouse=str(tmp_path / "file.duckdb")) == without
    assert (
        names(warehouse=str(tmp_path / "file.duckdb"), npa_list_path="none", **partner) == without
    )


def test_the_job_has_every_asset_and_runs_by_itself():
    """The sync job has what its tag names, with the checks; it and the failure sensor are switched on."""
    repository = build_defs().get_repository_def()
    layer = repository.get_job("sync").asset_layer
    graph = repository.asset_graph
    tag, value = SYNC_TAG
    synced = {key for key in graph.get_all_asset_keys() if graph.get(key).tags.get(tag) == value}
    assert layer.executable_asset_keys == synced | {dg.AssetKey("raw_events")}
    assert layer.asset_graph.asset_check_keys == {
        key for key in graph.asset_check_keys if key.asset_key in layer.executable_asset_keys
    }
    schedule = repository.get_schedule_def("sync_every_six_hours")
    assert (schedule.cron_schedule, schedule.execution_timezone, schedule.default_status) == (
        "0 */6 * * *",
        "UTC",
        dg.DefaultScheduleStatus.RUNNING,
    )
    sensor = repository.get_sensor_def("report_failed_run")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
