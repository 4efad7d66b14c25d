"""Published tables equal the warehouse, whatever happened to it; and a check that sees when they do not."""

import shutil
from datetime import UTC, datetime, timedelta

import dagster as dg
import duckdb
import pytest

from leadpipe.automation import range_tags
from leadpipe.definitions import build_defs
from leadpipe.events.versions import mark_changed
from leadpipe.leads.edits import Change, LeadEdits
from leadpipe.leads.folding import update_leads
from leadpipe.leads.leads import build_leads, stale_runs
from leadpipe.leads.scores import ScoreRules
from leadpipe.listings.listings import build_listing_analytics, build_listings, stale_days
from leadpipe.published.reading import query
from leadpipe.published.tables import publish_tables, tables_that_differ
from leadpipe.ranges import contiguous
from leadpipe.rebuild import rebuild
from leadpipe.warehouse import Published, Warehouse, differing, publish, transaction
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, load, rows, settings_of, take_in
from leadpipe_tests.holding import lose

RULES = ScoreRules("1", {"phone": 30})
UUID = "00000000-0000-4000-8000-{:012d}"
PERSON = UUID.format(99)


def at(month, day):
    """Ten o'clock on a day of 2026."""
    return datetime(2026, month, day, 10, tzinfo=UTC)


VIEWS = [
    event("property_view", at(10, 5), uuid=UUID.format(1), listing_id="L", person_id=PERSON),
    event("property_view", at(10, 6), uuid=UUID.format(2), listing_id="L", person_id=PERSON),
    event("$pageview", at(11, 17), uuid=UUID.format(3), person_id=PERSON),
    event("lead_phone", at(11, 20), uuid=UUID.format(4), listing_id="L", seeker_id="S"),
]


def build(warehouse):
    """What a sync does after it has loaded: build what changed, and publish."""
    with warehouse.connect() as connection:
        with transaction(connection):
            build_leads(connection, stale_runs(connection), rules=RULES)
            build_listing_analytics(connection, contiguous(stale_days(connection)))
            build_listings(connection)
        publish_tables(connection, warehouse.path.parent / "published")


def wrong(warehouse):
    """What is not published as it is."""
    with warehouse.connect() as connection:
        return tables_that_differ(connection, warehouse.path.parent / "published", is_whole=True)


@pytest.fixture
def filled(warehouse, tmp_path):
    """Views in October, a page view and a lead in November, published."""
    take_in(warehouse, tmp_path, VIEWS)
    build(warehouse)
    assert wrong(warehouse) == []
    return warehouse


def a_day_loses_its_only_row(warehouse, folder):
    moved = VIEWS[0] | {"timestamp": at(10, 6), "created_at": at(12, 1)}
    take_in(warehouse, folder, [moved], run_id="run-2")


def a_month_is_emptied(warehouse, folder):
    moved = [view | {"timestamp": at(9, 1), "created_at": at(12, 1)} for view in VIEWS[:2]]
    take_in(warehouse, folder, moved, run_id="run-2")


def events_are_deleted(warehouse, folder):
    with warehouse.writing("door") as connection:
        connection.execute("DELETE FROM raw_events WHERE event_date < DATE '2026-11-01'")
        mark_changed(connection, [at(10, 5).date(), at(10, 6).date()], ["run-1"])


def a_lead_is_edited(warehouse, folder):
    edits = LeadEdits(folder / "lead_edits.sqlite")
    with warehouse.connect() as connection:
        ((lead,),) = connection.execute("SELECT lead_id FROM leads").fetchall()
        edits.change([Change("e-1", lead, "status", "lost")], author="a", now=NOW)
        update_leads(connection, edits, rules=RULES, now=NOW)


def a_person_is_merged(warehouse, folder):
    take_in(warehouse, folder, [view | {"person_id": "q"} for view in VIEWS[1:3]], run_id="run-2")


def days_are_built_in_another_way(warehouse, folder):
    """As by a newer leadpipe: the same versions, other rows."""
    with warehouse.writing("door") as connection:
        connection.execute("UPDATE raw_events SET viewed_from = 'home'")
        build_listing_analytics(connection, [(at(10, 5).date(), at(10, 6).date())])


def the_warehouse_is_another(warehouse, folder):
    """Removed by hand and filled with other events, as many and as often."""
    lose(warehouse)
    others = [view | {"distinct_id": "other", "person_id": "other"} for view in VIEWS]
    take_in(warehouse, folder, others)


@pytest.mark.parametrize(
    "change",
    [
        a_day_loses_its_only_row,
        a_month_is_emptied,
        events_are_deleted,
        a_lead_is_edited,
        a_person_is_merged,
        days_are_built_in_another_way,
        the_warehouse_is_another,
    ],
)
def test_what_is_published_is_what_is_there(filled, tmp_path, change):
    """After any change and a publication every file has the rows of its query."""
    change(filled, tmp_path)
    assert wrong(filled) != []
    build(filled)
    assert wrong(filled) == []


def test_a_column_of_a_migration_is_in_every_month(filled, tmp_path):
    """Months that have not changed are written anew when their table has another column."""
    with filled.connect() as connection:
        connection.execute("ALTER TABLE listing_analytics ADD COLUMN added INTEGER DEFAULT 7")
    build_published_only(filled)
    assert wrong(filled) == []


def build_published_only(warehouse):
    """Publish without building."""
    with warehouse.connect() as connection:
        publish_tables(connection, warehouse.path.parent / "published")


def test_a_rebuild_is_published(filled):
    """All marts again, and all files."""
    with filled.connect() as connection:
        connection.execute("UPDATE listing_analytics SET total_views = 9")
    build_published_only(filled)
    assert wrong(filled) == ["listing_analytics/2026-10", "listing_analytics/2026-11"]
    rebuild(settings_of(filled), now=NOW)
    assert wrong(filled) == []


@pytest.mark.file_only("copies the file by hand")
def test_a_copy_from_before_does_not_take_later_files_for_its_own(filled, tmp_path):
    """A warehouse file put back by hand goes another way from there, to the same versions."""
    shutil.copy(filled.path, tmp_path / "kept.duckdb")
    take_in(filled, tmp_path, [event("$pageview", at(11, 18), person_id="a")], run_id="run-2")
    build(filled)
    shutil.copy(tmp_path / "kept.duckdb", filled.path)
    take_in(filled, tmp_path, [event("$pageview", at(11, 18), person_id="b")], run_id="run-3")
    build(filled)
    assert wrong(filled) == []


def test_deletions_that_are_followed_are_published(sandbox, settings, warehouse):
    """An event that is gone in PostHog is gone in every published table after the next sync."""
    days = [at(11, 17).date(), at(11, 20).date()]
    sandbox.control.insert(VIEWS[2:])
    load(settings, warehouse, days)
    build(warehouse)
    sandbox.control.reset()
    sandbox.control.set_clock(NOW)
    sandbox.control.insert(VIEWS[2:3])
    everything = settings.model_copy(update={"most_gone_percent": 100})
    load(everything, warehouse, days, run_id="run-2")
    assert rows(warehouse, "SELECT count(*) FROM gone_events") == [(1,)]
    build(warehouse)
    assert wrong(warehouse) == []


@pytest.mark.parametrize(
    "rows_now",
    ["SELECT 1 AS a", "SELECT 2 AS a UNION ALL SELECT 2", "SELECT 1 AS b UNION ALL SELECT 2"],
    ids=["fewer rows", "as many others", "another name"],
)
def test_every_kind_of_difference_is_seen(warehouse, tmp_path, rows_now):
    """A row less, another row, another column; the order of rows is no difference."""
    with warehouse.connect() as connection:
        publish(connection, tmp_path, [Published("t", "SELECT 1 AS a UNION ALL SELECT 2")])

        def found(query):
            return differing(connection, tmp_path, [Published("t", query)], is_whole=True)

        assert found("SELECT 2 AS a UNION ALL SELECT 1") == []
        assert found(rows_now) == ["t"]
        assert differing(connection, tmp_path, [], is_whole=True) == ["t.parquet"]
        assert differing(
            connection, tmp_path, [Published("u", "SELECT 1 AS a")], is_whole=True
        ) == ["u", "t.parquet"]


def test_linked_files_are_only_looked_for_after_a_publication(warehouse, tmp_path):
    """Their rows were compared when they were written; one that is gone is seen."""
    part = "SELECT * FROM range(3) AS t(a)"
    with warehouse.connect() as connection:
        for _ in range(2):
            publish(connection, tmp_path, [Published("t/1", part, version=1)])

        def found(query, *, is_whole):
            return differing(connection, tmp_path, [Published("t/1", query)], is_whole=is_whole)

        assert found("SELECT a + 1 AS a FROM range(3) AS t(a)", is_whole=False) == []
        assert found("SELECT a + 1 AS a FROM range(3) AS t(a)", is_whole=True) == ["t/1"]
        for file in (tmp_path / "current").resolve().rglob("*.parquet"):
            file.unlink()
        assert found(part, is_whole=False) == ["t/1"]


def check(settings, instance, *, job="checks"):
    """The check, run by itself: whether it passed, and its metadata."""
    definitions = build_defs(settings=settings)
    checks = dg.define_asset_job(
        job, selection=dg.AssetSelection.checks_for_assets("published_tables")
    ).resolve(asset_graph=definitions.resolve_asset_graph())
    result = checks.execute_in_process(
        instance=instance,
        resources=definitions.resources,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    (found,) = result.get_asset_check_evaluations()
    return found.passed, {name: value.value for name, value in found.metadata.items()}


@pytest.fixture
def synced(sandbox, settings, instance):
    """A sync of two days in Dagster; its check, and the settings."""
    sandbox.control.insert(VIEWS[2:])
    tags = range_tags("2026-11-17", "2026-11-20", "manual")
    job = build_defs(settings=settings).resolve_job_def("sync")
    result = job.execute_in_process(
        instance=instance,
        tags=tags,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    (found,) = [
        one
        for one in result.get_asset_check_evaluations()
        if one.check_name == "published_tables_equal_the_warehouse"
    ]
    return settings, found


def test_the_check_is_part_of_every_sync(synced, instance):
    """In a sync it says what the publication found of itself; by itself it compares everything."""
    settings, found = synced
    assert (found.passed, {name: value.value for name, value in found.metadata.items()}) == (
        True,
        {"tables that differ": [], "all rows compared": False},
    )
    assert check(settings, instance) == (
        True,
        {"tables that differ": [], "all rows compared": True},
    )


@pytest.mark.parametrize("side", ["warehouse", "file"])
def test_the_check_goes_red_with_names(synced, instance, side):
    """Whichever side was changed."""
    settings, _ = synced
    if side == "warehouse":
        with Warehouse(settings.warehouse_path).connect() as connection:
            connection.execute(
                "UPDATE leads SET lead_score = 1; UPDATE listing_analytics SET total_leads = 9"
            )
    else:
        for file in (settings.published_dir / "current").rglob(
            "listing_analytics/2026-11*.parquet"
        ):
            with duckdb.connect() as connection:
                connection.execute(
                    f"CREATE TABLE t AS FROM '{file}'; UPDATE t SET total_leads = 9; COPY t TO '{file}'"
                )
    names = ["listing_analytics/2026-11"]
    expected = ["grouped_leads/2026-11", "leads/2026-11", *names] if side == "warehouse" else names
    passed, metadata = check(settings, instance)
    assert (passed, sorted(metadata["tables that differ"])) == (False, expected)


def test_a_failed_sync_is_published(sandbox, settings, instance):
    """Nothing is built then, and readers see all the same that it failed."""
    sandbox.control.fault("unauthorized_401", times=-1)
    result = (
        build_defs(settings=settings)
        .resolve_job_def("sync")
        .execute_in_process(
            instance=instance,
            tags=range_tags("2026-11-17", "2026-11-20", "manual"),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    )
    assert not result.success
    assert query(settings.published_dir, "SELECT status FROM runs").rows == (("failed",),)
    assert wrong(Warehouse(settings.warehouse_path)) == []


def test_an_audit_is_published(sandbox, settings, synced):
    """Its verdicts are seen before the next sync."""
    settings, _ = synced
    sandbox.control.set_clock(NOW + timedelta(days=60))
    sandbox.control.insert([event("property_view", at(11, 17), listing_id="L")])
    with dg.DagsterInstance.ephemeral() as instance:
        build_defs(settings=settings).resolve_job_def("audit").execute_in_process(
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    verdicts = "SELECT event_date FROM event_days WHERE verdict = 'differs'"
    assert query(settings.published_dir, verdicts).rows == ((at(11, 17).date(),),)
