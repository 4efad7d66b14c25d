"""What the catalog shows of assets: columns, groups, tags, owners, code, published tables, what blocks."""

from datetime import timedelta
from importlib import import_module

import dagster as dg
import pytest
from pydantic import ValidationError

from leadpipe.automation import SYNC_TAG
from leadpipe.catalog import published_key
from leadpipe.definitions import build_defs
from leadpipe.delivery.automation import deliver_captured_leads
from leadpipe.described import published_tables, warehouse_tables
from leadpipe.published.reading import query
from leadpipe.published.tables import publish_tables, table_names
from leadpipe.settings import Settings, whole_settings
from leadpipe.warehouse import CURRENT, measure_tables
from leadpipe.warehouse.publish import place_of
from leadpipe_tests.dagster_ui.builders import a_lead, on, run_job, with_everything
from leadpipe_tests.docs.test_tables import columns, tables_in
from leadpipe_tests.events.builders import build_marts, event, take_in

_GROUPS = ["arrivals", "events", "marts", "on_demand", "published", "sent"]
_TOLD_BY_SENSORS = {"exported_files", "webhook_events"}


@pytest.fixture(scope="module")
def graph():
    """All assets that there can be, as nothing has run yet."""
    return with_everything().resolve_asset_graph()


def schema_of(node):
    """Name, type and meaning of each column that an asset's definition shows; None if it shows none."""
    found = node.metadata.get("dagster/column_schema")
    shown = found.schema if isinstance(found, dg.TableSchemaMetadataValue) else found
    return shown and [(one.name, one.type, one.description) for one in shown.columns]


def test_columns_are_those_of_the_page_before_anything_ran(graph):
    """Each asset that is a table shows the columns of docs/tables.md, with types and a meaning each."""
    without = set()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        name = str(node.metadata.get("dagster/table_name", ""))
        if not name:
            without.add(key.to_user_string())
            continue
        tables = published_tables() if len(key.path) > 1 else warehouse_tables()
        assert schema_of(node) == [(c.name, c.type, c.meaning) for c in tables[name].columns], key
        assert all(meaning for _, _, meaning in schema_of(node)), key
    # A source, its two lanes, a cohort in PostHog, what publishes all tables, and what keeps their files.
    assert without == {
        *("posthog", "query_lane", "download_lane", "draw_cohort"),
        *("published_tables", "lake_maintenance"),
    }


def test_the_page_is_read_as_it_is_written():
    """The reader of docs/tables.md finds the columns that the page's own tests compare with the real ones."""
    assert {
        table.name: [(one.name, one.type) for one in table.columns]
        for table in published_tables().values()
    } == {name: columns(text) for name, text in tables_in("Published tables").items()}


def test_the_lineage_has_few_groups_in_the_order_of_the_flow(graph):
    """Six groups; nothing flows back from a group into one before it, but what was sent is published too."""
    assert sorted({graph.get(key).group_name for key in graph.get_all_asset_keys()}) == _GROUPS
    order = ["arrivals", "events", "marts", "sent", "on_demand", "published"]
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        for parent in node.parent_keys:
            before, after = (order.index(str(one.group_name)) for one in (graph.get(parent), node))
            assert before <= after, (parent, key)
    roots = {key for key in graph.get_all_asset_keys() if not graph.get(key).parent_keys}
    assert roots == {dg.AssetKey("posthog")}


def test_the_lineage_has_marts_and_what_was_sent_side_by_side(graph):
    """As far from the source as they are drawn: a group stands one step behind all that it comes from."""
    comes_from: dict[str, set[str]] = {group: set() for group in _GROUPS}
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        comes_from[node.group_name] |= {graph.get(each).group_name for each in node.parent_keys}

    def place(group):
        return 1 + max((place(each) for each in comes_from[group] - {group}), default=-1)

    assert {group: place(group) for group in _GROUPS} == {
        "arrivals": 0,
        "events": 1,
        "marts": 2,
        "sent": 2,
        "on_demand": 2,
        "published": 3,
    }


def test_a_backfill_is_started_without_a_warning(graph):
    """The UI warns of assets before the sync's that never were: sensors tell of those with nothing to do."""
    tag, value = SYNC_TAG
    synced = {key for key in graph.get_all_asset_keys() if graph.get(key).tags.get(tag) == value}
    before = {parent for key in synced for parent in graph.get(key).parent_keys} - synced
    assert {
        key.to_user_string() for key in before if graph.get(key).is_executable
    } == _TOLD_BY_SENSORS


def test_what_people_read_is_to_be_fresh(graph):
    """Every published table and mart says how old it may be."""
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        if node.group_name in {"marts", "published"}:
            assert node.freshness_policy is not None, key


def test_personal_data_is_tagged(graph, warehouse, tmp_path):
    """Each table that is kept out of shared publications has the tag `pii`, as have the events."""
    tagged = {
        key.path[-1]
        for key in graph.get_all_asset_keys()
        if graph.get(key).tags.get("pii") == "yes"
    }
    with warehouse.connect() as connection:
        publish_tables(connection, tmp_path)
    personal = place_of((tmp_path / CURRENT).resolve(), is_personal=True)
    assert {path.stem for path in personal.iterdir()} <= tagged
    assert {"raw_events", "draw_participants", "lead_deliveries"} <= tagged


def test_owners_and_code_links_are_as_the_settings_say(tmp_path):
    """Without settings nobody is an owner and code is a file here; with them a team and the web."""

    def shown(**settings):
        defs = build_defs(settings=whole_settings()(_env_file=None, data_dir=tmp_path, **settings))
        node = defs.resolve_asset_graph().get(dg.AssetKey("leads"))
        (link,) = node.metadata["dagster/code_references"].code_references
        return list(node.owners), link

    owners, link = shown()
    assert owners == []
    assert link.file_path.endswith("leadpipe/leads/assets.py")
    owners, link = shown(
        asset_owners="team:sales, ada@example.com",
        code_url="https://github.com/acme/leadpipe/tree/live",
    )
    assert owners == ["team:sales", "ada@example.com"]
    assert link.url.startswith(
        "https://github.com/acme/leadpipe/tree/live/leadpipe/leads/assets.py#L"
    )


@pytest.mark.parametrize(
    ("setting", "value"),
    [("asset_owners", "sales"), ("code_url", "https://ada:secret@github.com/acme/leadpipe")],
)
def test_what_is_no_owner_or_repository_is_refused(setting, value):
    """A name without `team:` is no owner, an address with a password no repository."""
    with pytest.raises(ValidationError):
        Settings(_env_file=None, **{setting: value})


def test_published_tables_are_measured_without_reading_them(warehouse, tmp_path):
    """Rows of each table, in one file or in parts, are those that readers find."""
    with warehouse.connect() as connection:
        publish_tables(connection, tmp_path)
        found = measure_tables(connection, (tmp_path / CURRENT).resolve())
    assert sorted(found) == sorted(table_names())
    assert {name: files.rows for name, files in found.items()} == {
        name: query(tmp_path, f"SELECT count(*) FROM {name}").rows[0][0] for name in found
    }
    assert all(files.path.exists() and files.bytes for files in found.values())


def test_rows_of_linked_parts_are_remembered(warehouse, tmp_path, monkeypatch):
    """Their feet are not opened again, but of those that an older leadpipe wrote."""
    opened: list[str] = []
    module = import_module("leadpipe.warehouse.publish")
    by_feet = module._rows_by_feet

    def counted(connection, files):
        opened.extend(file.name.partition(".")[0] for file in files)
        return by_feet(connection, files)

    monkeypatch.setattr(module, "_rows_by_feet", counted)
    take_in(warehouse, tmp_path, [event("lead_phone", "10:00:00", listing_id="L", seeker_id="S")])
    build_marts(warehouse)
    with warehouse.connect() as connection:
        publish_tables(connection, tmp_path / "published")
        current = (tmp_path / "published" / CURRENT).resolve()
        whole = measure_tables(connection, current)
        parts = {path.name for path in current.iterdir() if path.is_dir()}
        assert whole["leads"].rows == 1
        assert "leads" in parts
        assert not {"0000-00", "2026-11", *parts} & {*opened}
        connection.execute(
            "UPDATE published_files SET row_count = NULL WHERE name = 'leads/2026-11'"
        )
        opened.clear()
        assert measure_tables(connection, current) == whole
        assert "2026-11" in opened


def test_a_doubled_uuid_builds_nothing(posthog, live, stored, today, instance):
    """A sync that finds a uuid twice fails with the check's name; marts and publication stay as they were."""
    day = today - timedelta(days=2)
    posthog.control.insert([on(day), a_lead(day)])
    assert run_job(live, instance, day, day).success
    leads = instance.get_latest_materialization_event(published_key("leads"))
    metadata = leads.asset_materialization.metadata
    assert metadata["dagster/row_count"].value == 1
    assert metadata["dagster/uri"].value.endswith("/leads")
    assert metadata["dagster/column_lineage"].value.deps_by_column["lead_score"] == [
        dg.TableColumnDep(dg.AssetKey("leads"), "lead_score")
    ]
    before = (live.published_dir / CURRENT).resolve()
    with stored.connect() as connection:
        connection.execute("INSERT INTO raw_events SELECT * FROM raw_events LIMIT 1")
    posthog.control.insert([on(day)])  # a sync looks at days that changed, the night at all
    result = run_job(live, instance, day, day)
    assert not result.success
    built = {event.step_key for event in result.all_events if event.is_successful_output}
    assert not built & {"leads", "listing_analytics", "listings", "published_tables"}
    assert (live.published_dir / CURRENT).resolve() == before


def test_what_has_nothing_to_do_is_told_once(settings, instance):
    """A sensor tells the catalog that an asset nobody uses has all there is, and its checks; then no more."""
    unused = whole_settings()(_env_file=None, data_dir=settings.data_dir)

    def look():
        context = dg.build_sensor_context(instance=instance, resources={"settings": unused})
        return deliver_captured_leads.evaluate_tick(context)

    told, checked = look().asset_events
    assert told.asset_key == checked.asset_key == dg.AssetKey("lead_deliveries")
    assert "NPA_API_URL is not set" in told.metadata["nothing to do"].value
    assert (checked.check_name, checked.passed) == ("each_lead_succeeded_once", True)
    assert "NPA_API_URL is not set" in checked.metadata["nothing to check"].value
    for one in (told, checked):
        instance.report_runless_asset_event(one)
    again = look()
    assert (again.asset_events, again.run_requests) == ([], [])
