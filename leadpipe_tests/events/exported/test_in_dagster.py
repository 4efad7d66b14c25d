"""The job that takes files, the sensor that starts it, the check that names what cannot be read."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import pytest

from leadpipe.automation import range_tags
from leadpipe.definitions import build_defs
from leadpipe.events import automation
from leadpipe.published import reading
from leadpipe_tests.clocks import let_pass
from leadpipe_tests.dagster_ui.builders import QUIET, a_lead, metadata_of, on, run_job
from leadpipe_tests.events.builders import rows


@pytest.fixture
def folder(tmp_path):
    """A folder that stands for a bucket."""
    (tmp_path / "exports").mkdir()
    return tmp_path / "exports"


@pytest.fixture
def bucketed(live, folder):
    """Settings that name it."""
    return type(live)(**{**live.model_dump(), "bucket": str(folder)}, _env_file=None)


@pytest.fixture
def export(posthog, folder, today):
    """Exports the days before today to the folder, a file a day."""

    def exported(days=3, **options):
        start = datetime(today.year, today.month, today.day, tzinfo=UTC) - timedelta(days=days)
        return posthog.control.export_to(
            {"folder": str(folder)},
            start=start,
            end=start + timedelta(days=days),
            interval="day",
            **options,
        )

    return exported


def tick(settings, instance, cursor=None):
    """What the sensor does now: why nothing, or the tags of its run; and its cursor."""
    definitions = build_defs(settings=settings)
    repository = definitions.get_repository_def()
    with dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        resources=definitions.resources,
        repository_def=repository,
    ) as context:
        data = repository.get_sensor_def("take_exported_files").evaluate_tick(context)
    if data.run_requests:
        return [dict(request.tags) for request in data.run_requests], data.cursor
    return data.skip_message, data.cursor


def run_files(settings, instance, today, keys=()):
    """Run the job that the sensor asks for."""
    job = build_defs(settings=settings).resolve_job_def("files")
    return job.execute_in_process(
        instance=instance,
        tags=range_tags(today.isoformat(), today.isoformat(), "bucket"),
        run_config={
            **QUIET,
            "ops": {"exported_files": {"config": {"keys": list(keys)}}},
        },
        raise_on_error=False,
    )


def test_without_a_bucket_nothing_is_looked_at(live, instance, today):
    """The sensor says so, and so does the asset when somebody materialises it."""
    assert tick(live, instance)[0] == "LEADPIPE_BUCKET is not set"
    result = run_files(live, instance, today)
    assert result.success
    assert metadata_of(result, "exported_files") == {"bucket": "LEADPIPE_BUCKET is not set"}


def test_a_new_file_starts_one_run(posthog, bucketed, instance, today, export):
    """Within a tick of its appearance; what was asked for is not asked for again at once."""
    assert tick(bucketed, instance)[0] == "nothing new in the bucket"
    posthog.control.insert([on(today - timedelta(days=1))])
    export()
    asked, cursor = tick(bucketed, instance)
    (tags,) = asked
    assert tags.items() >= range_tags(today.isoformat(), today.isoformat(), "bucket").items()
    assert tick(bucketed, instance, cursor) == (
        "1 new files were asked for less than 10 minutes ago",
        cursor,
    )
    assert run_files(bucketed, instance, today).success
    assert tick(bucketed, instance, cursor)[0] == "nothing new in the bucket"


def test_a_tick_looks_at_the_end_of_a_large_bucket_and_each_hour_at_all_of_it(
    posthog, live, instance, today, cloud, monkeypatch
):
    """A later file is found at once for one request, one among older ones within the hour."""
    monkeypatch.setattr(automation, "LISTED_AT_ONCE", 0)
    where = {
        "bucket": "gs://exports",
        "bucket_endpoint": cloud.url,
        "bucket_secret": cloud.account(),
    }
    bucketed = type(live)(**{**live.model_dump(), **where}, _env_file=None)
    folder = cloud.root / "exports"
    start = datetime(today.year, today.month, today.day, tzinfo=UTC) - timedelta(days=6)
    posthog.control.insert([on(today - timedelta(days=n)) for n in range(1, 7)])
    late, *keys, new = posthog.control.export_to(
        {"folder": str(folder)},
        start=start,
        end=start + timedelta(days=6),
        interval="day",
        prefix="{table}/{year}/{month}",
    )
    held = {key: (folder / key).read_bytes() for key in (late, new)}
    for key in held:
        (folder / key).unlink()
    assert run_files(bucketed, instance, today).success
    said, cursor = tick(bucketed, instance)
    assert said == "nothing new in the bucket"

    cloud.requests.clear()
    assert tick(bucketed, instance, cursor) == (said, cursor)
    (asked,) = cloud.requests
    assert parse_qs(urlsplit(asked).query) == {
        "list-type": ["2"],
        "prefix": ["events/"],
        "start-after": [keys[1]],
    }
    (folder / late).write_bytes(held[late])
    assert tick(bucketed, instance, cursor)[0] == said
    (folder / new).write_bytes(held[new])
    assert isinstance(tick(bucketed, instance, cursor)[0], list)
    (folder / new).unlink()
    let_pass(3_601)
    assert isinstance(tick(bucketed, instance, cursor)[0], list)


def test_a_run_that_took_nothing_is_repeated_after_a_while(
    posthog, bucketed, instance, today, export
):
    """A run that died before it decided on a file is followed by another one, 10 minutes later."""
    posthog.control.insert([on(today - timedelta(days=1))])
    export()
    _, cursor = tick(bucketed, instance)
    let_pass(601)
    assert isinstance(tick(bucketed, instance, cursor)[0], list)


def test_one_run_takes_files_proves_their_days_and_builds_the_marts(
    posthog, bucketed, instance, stored, today, export
):
    """Leads, listings and published tables have the files' events after the one run that took them."""
    days = [today - timedelta(days=n) for n in (3, 2, 1)]
    posthog.control.insert([make(day) for day in days for make in (on, a_lead)])
    keys = export(prefix="events/{table}")
    result = run_files(bucketed, instance, today)
    assert result.success
    metadata = metadata_of(result, "exported_files")
    assert {name: metadata[name] for name in ("files taken", "events new", "days proved")} == {
        "files taken": 3,
        "events new": 6,
        "days proved": 3,
    }
    assert [dict(record.data) for record in metadata["files"].records] == [
        {
            "file": key,
            "state": "taken",
            "model": "events",
            "rows": 2,
            "events new": 2,
            "reason": None,
        }
        for key in keys
    ]
    assert rows(stored, "SELECT count(*), sum(total_actions) FROM leads") == [(1, 3)]
    assert rows(stored, "SELECT total_views, total_leads FROM listings") == [(3, 3)]
    assert rows(stored, "SELECT kind, status, events_new FROM runs") == [("bucket", "succeeded", 6)]
    published = reading.query(bucketed.published_dir, "SELECT key, state FROM exported_files")
    assert published.rows == tuple((key, "taken") for key in keys)
    verdicts = reading.query(
        bucketed.published_dir,
        "SELECT DISTINCT verdict FROM event_days WHERE event_date < $today",
        {"today": today},
    )
    assert verdicts.rows == (("proved",),)
    evaluations = result.get_asset_check_evaluations()
    assert [one.check_name for one in evaluations if not one.passed] == []


def test_the_next_sync_reads_nothing_of_those_days(
    posthog, bucketed, instance, stored, today, export
):
    """A sync over the same days asks for fingerprints, and fetches no event again but the last hour's."""
    posthog.control.insert([on(today - timedelta(days=n)) for n in (3, 2)])
    export()
    assert run_files(bucketed, instance, today).success
    result = run_job(bucketed, instance, today - timedelta(days=3), today)
    metadata = metadata_of(result, "raw_events")
    assert (metadata["events new"], metadata["events fetched"], metadata["days incomplete"]) == (
        0,
        0,
        0,
    )


def test_a_file_that_cannot_be_read_makes_the_check_red(
    posthog, bucketed, instance, stored, today, export, folder
):
    """It is named; the run goes on with the others; it is green again once the file is another one."""
    posthog.control.insert([on(today - timedelta(days=n)) for n in (2, 1)])
    broken, _ = export(prefix="posthog/{table}/{year}/{month}/of-our-company")
    content = (folder / broken).read_bytes()
    (folder / broken).write_bytes(content[:-20])
    result = run_files(bucketed, instance, today)
    assert result.success
    (check,) = [one for one in result.get_asset_check_evaluations() if not one.passed]
    (record,) = check.metadata["files"].value.records
    assert (check.check_name, check.severity) == (
        "every_exported_file_was_taken",
        dg.AssetCheckSeverity.ERROR,
    )
    assert (record.data["file"], record.data["state"]) == (broken, "unreadable")
    assert str(record.data["reason"]).endswith("Fetch it again from where it came.")
    assert rows(stored, "SELECT count(*) FROM raw_events") == [(1,)]
    (folder / broken).write_bytes(content)
    result = run_files(bucketed, instance, today)
    assert [one for one in result.get_asset_check_evaluations() if not one.passed] == []
    assert rows(stored, "SELECT count(*) FROM raw_events") == [(2,)]


def test_a_part_without_its_manifest_is_told_after_six_hours(
    posthog, bucketed, instance, today, export
):
    """At first it is on its way; then the check is yellow."""
    posthog.control.insert([on(today - timedelta(days=1))])
    export(max_size_mb=1, dies_after=1)
    result = run_files(bucketed, instance, today)
    assert [one for one in result.get_asset_check_evaluations() if not one.passed] == []
    let_pass(6 * 3_600 + 1)
    result = run_files(bucketed, instance, datetime.now(UTC).date())
    (check,) = [
        one
        for one in result.get_asset_check_evaluations()
        if one.check_name == "every_exported_file_was_taken"
    ]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_a_bucket_that_cannot_be_listed_fails_a_run_every_six_hours(
    bucketed, instance, today, folder
):
    """So that somebody is told, and not at every tick; the run's error is the line with the next step."""
    folder.rmdir()
    asked, cursor = tick(bucketed, instance)
    assert isinstance(asked, list)
    said = f"LEADPIPE_BUCKET names the folder {folder}, which is not there. Make it, or correct it."
    assert tick(bucketed, instance, cursor) == (said, cursor)
    result = run_files(bucketed, instance, today)
    assert not result.success
    failures = [event for event in result.all_events if event.is_step_failure]
    assert failures[0].step_failure_data.user_failure_data.description == f"BucketRefused: {said}"
    let_pass(6 * 3_600 + 1)
    assert isinstance(tick(bucketed, instance, cursor)[0], list)


def test_a_file_is_taken_again_by_hand(posthog, bucketed, instance, today, export):
    """Its key in the run's configuration: the rows are looked at again, and count once."""
    posthog.control.insert([on(today - timedelta(days=1))])
    (key,) = export()
    run_files(bucketed, instance, today)
    metadata = metadata_of(run_files(bucketed, instance, today, keys=[key]), "exported_files")
    assert (metadata["files taken"], metadata["events new"], metadata["events duplicate"]) == (
        1,
        0,
        1,
    )
