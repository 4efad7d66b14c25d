"""The asset `leads` and the sensor before it: what people said comes in, and is published soon."""

from datetime import timedelta

import dagster as dg

from leadpipe.definitions import build_defs
from leadpipe.leads import assets
from leadpipe.published import reading
from leadpipe.resources import WarehouseResource
from leadpipe_tests.clocks import NOW
from leadpipe_tests.dagster_ui.builders import QUIET
from leadpipe_tests.events.builders import rows, settings_of
from leadpipe_tests.leads.builders import edits_of, publish_leads, say


def tick(settings, instance, cursor=None):
    """What the sensor does now: the kind of its run, or why there is none; and its cursor."""
    definitions = build_defs(settings=settings)
    repository = definitions.get_repository_def()
    with dg.build_sensor_context(
        instance=instance,
        resources=definitions.resources,
        repository_def=repository,
        cursor=cursor,
    ) as context:
        data = repository.get_sensor_def("publish_lead_edits").evaluate_tick(context)
    if data.run_requests:
        return [request.tags["leadpipe/kind"] for request in data.run_requests], data.cursor
    return data.skip_message, data.cursor


def test_a_run_takes_in_what_people_said(tmp_path):
    """Its metadata counts the edits; the second run has none to take in, and the check holds after both."""
    warehouse = publish_leads(tmp_path)
    [(lead_id,)] = rows(warehouse, "SELECT lead_id FROM leads WHERE seeker_id = 'yaw'")
    say(tmp_path, lead_id, "qualified")
    found = []
    for _ in range(2):
        result = dg.materialize(
            [assets.leads, assets.every_lead_event_is_in_one_record],
            resources={
                "warehouse": WarehouseResource(database=str(warehouse.path)),
                "settings": settings_of(warehouse),
            },
        )
        [event] = result.get_asset_materialization_events()
        metadata = event.materialization.metadata
        found.append((metadata["edits taken in"].value, metadata["runs built"].value))
        assert [check.passed for check in result.get_asset_check_evaluations()] == [True]
    assert found == [(1, 1), (0, 0)]
    assert rows(warehouse, "SELECT status FROM leads WHERE lead_id = $1", lead_id) == [
        ("qualified",)
    ]


def test_what_people_said_is_published_minutes_later(tmp_path, instance):
    """A change waits five minutes for others; then a run takes all in, and readers have them."""
    warehouse = publish_leads(tmp_path)
    settings = settings_of(warehouse)
    assert tick(settings, instance) == ("every change is published", "0")
    leads = rows(warehouse, "SELECT lead_id FROM leads WHERE seeker_id IN ('yaw', 'esi')")
    [yaw, esi] = [lead_id for (lead_id,) in leads]
    say(tmp_path, yaw, "qualified", now=NOW - timedelta(minutes=4))
    assert tick(settings, instance, "0")[0] == "changes that wait for company: 1"
    say(tmp_path, esi, "lost", now=NOW - timedelta(minutes=5))
    assert tick(settings, instance, "0")[0] == ["edits"]
    job = build_defs(settings=settings).resolve_job_def("edits")
    result = job.execute_in_process(instance=instance, run_config=QUIET, raise_on_error=False)
    assert result.success
    published = reading.query(
        settings.published_dir,
        "SELECT status FROM grouped_leads WHERE status <> 'new' ORDER BY status",
    )
    assert published.rows == (("lost",), ("qualified",))
    assert tick(settings, instance, "0") == ("every change is published", "2")
    assert tick(settings, instance, "2") == ("every change is published", "2")


def test_a_file_of_changes_that_was_put_back_is_read_anew(tmp_path, instance):
    """Numbers that begin again are no reason to take changes for published ones."""
    warehouse = publish_leads(tmp_path)
    [(lead_id,)] = rows(warehouse, "SELECT lead_id FROM leads WHERE seeker_id = 'yaw'")
    say(tmp_path, lead_id, "lost", now=NOW - timedelta(hours=1))
    assert tick(settings_of(warehouse), instance, "7")[0] == ["edits"]


def test_no_run_publishes_changes_while_one_is_under_way_or_nothing_is_published(
    tmp_path, instance
):
    """Nor soon after one that failed; before the first sync there is nothing to publish."""
    warehouse = publish_leads(tmp_path)
    settings = settings_of(warehouse)
    [(lead_id,)] = rows(warehouse, "SELECT lead_id FROM leads WHERE seeker_id = 'yaw'")
    say(tmp_path, lead_id, "lost", now=NOW - timedelta(hours=1))
    job = build_defs(settings=settings).resolve_job_def("edits")
    under_way = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert tick(settings, instance)[0] == f"run {under_way.run_id} is under way"
    elsewhere = settings.model_copy(update={"data_dir": tmp_path / "elsewhere"})
    (tmp_path / "elsewhere").mkdir()
    edits_of(tmp_path).path.rename(tmp_path / "elsewhere" / "lead_edits.sqlite")
    assert (
        tick(elsewhere, instance)[0] == "nothing is published yet: the first sync takes changes in"
    )
