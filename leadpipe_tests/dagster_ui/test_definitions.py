"""What Dagster loads: it is valid, complete, and described for the people who look at it."""

import shutil
import subprocess
import sys
import tomllib
from importlib import import_module

import dagster as dg
import yaml

from leadpipe.definitions import build_defs
from leadpipe.settings import whole_settings
from leadpipe_tests.dagster_ui.builders import ASSETS
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


def test_every_asset_is_described():
    """Every asset has a description, a group, an owner, kinds, and the pool that keeps runs apart."""
    graph = build_defs().resolve_asset_graph()
    found = {}
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert len(node.description or "") > 60, key
        assert node.pools == {
            "delivery" if node.group_name in {"delivery", "reconciliation"} else "warehouse"
        }, key
        found[key.to_user_string()] = (node.group_name, list(node.owners), sorted(node.kinds))
    assert found == {
        "raw_events": ("events", ["team:data"], ["duckdb", "posthog"]),
        "leads": ("leads", ["team:sales"], ["duckdb"]),
        "listing_analytics": ("listings", ["team:data"], ["duckdb"]),
        "listings": ("listings", ["team:data"], ["duckdb"]),
        "visitor_metrics": ("visitors", ["team:data"], ["duckdb", "posthog"]),
        "webhook_events": ("inbox", ["team:data"], ["duckdb", "posthog"]),
        "published_tables": ("published", ["team:data"], ["parquet"]),
        "interaction_syncs": ("interactions", ["team:sales"], ["json", "posthog"]),
        "draw_participants": ("draws", ["team:promotions"], ["duckdb"]),
        "draw_cohort": ("draws", ["team:promotions"], ["posthog"]),
        "draw": ("draws", ["team:promotions"], ["duckdb"]),
        "draw_events": ("draws", ["team:promotions"], ["posthog"]),
        "lead_deliveries": ("delivery", ["team:data"], ["duckdb"]),
        "reconciliation": ("reconciliation", ["team:data"], ["duckdb"]),
    }


def test_every_promised_check_is_there_and_described():
    """Complete days, unique uuids, lead events in one record, totals, possible hours, freshness."""
    graph = build_defs().resolve_asset_graph()
    assert {key.name: key.asset_key.to_user_string() for key in graph.asset_check_keys} == {
        "every_day_is_complete": "raw_events",
        "uuid_is_unique": "raw_events",
        "events_are_fresh": "raw_events",
        "every_lead_event_is_in_one_record": "leads",
        "no_hour_is_impossible": "listing_analytics",
        "totals_equal_their_hours": "listings",
        "weeks_agree_with_events": "visitor_metrics",
        "weeks_are_possible": "visitor_metrics",
        "no_dead_letters": "webhook_events",
        "every_contact_has_a_lead": "interaction_syncs",
        "every_contact_is_valid": "interaction_syncs",
        "every_participant_is_eligible_once": "draw_participants",
        "recharges_are_usable": "draw_participants",
        "days_before_were_read": "draw_participants",
        "cohort_has_the_participants": "draw_cohort",
        "evidence_holds": "draw",
        "every_result_is_recorded": "draw_events",
        "each_lead_succeeded_once": "lead_deliveries",
        "partner_has_every_lead": "reconciliation",
    }
    specs = {
        spec.name: spec.description
        for checks in build_defs().asset_checks or ()
        for spec in checks.check_specs
    }
    assert [name for name, description in specs.items() if not description] == []


def test_the_job_has_every_asset_and_runs_by_itself():
    """The sync job has all assets and checks; its schedule and the failure sensor start switched on."""
    repository = build_defs().get_repository_def()
    layer = repository.get_job("sync").asset_layer
    assert {key.to_user_string() for key in layer.executable_asset_keys} == set(ASSETS)
    assert len(layer.asset_graph.asset_check_keys) == 6
    schedule = repository.get_schedule_def("sync_every_six_hours")
    assert (schedule.cron_schedule, schedule.execution_timezone, schedule.default_status) == (
        "0 */6 * * *",
        "UTC",
        dg.DefaultScheduleStatus.RUNNING,
    )
    sensor = repository.get_sensor_def("report_failed_run")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
