"""Exported persons say whose an event is: above its ingestion, below a query, in whatever order they come."""

from itertools import permutations

import duckdb
import pytest

from leadpipe.events.exported.contents import contents_of
from leadpipe.events.exported.person_files import take_persons
from leadpipe.events.persons import PersonRank, assign
from leadpipe.warehouse import transaction
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, rows, take_in


@pytest.fixture
def write(tmp_path):
    """Writes a file of persons: distinct id, person, version of that, whether deleted."""

    def written(*persons, name="persons.parquet", columns="*"):
        path = tmp_path / name
        values = ", ".join(
            f"('{who}', '{person}', {version}, {is_deleted}, '{{\"email\": \"a@b.c\"}}')"
            for who, person, version, is_deleted in persons
        )
        duckdb.sql(
            f"COPY (SELECT {columns} FROM (VALUES {values}) AS p(distinct_id, person_id, "
            f"person_distinct_id_version, is_deleted, properties)) TO '{path}'"
        )
        return path

    return written


def take(warehouse, path):
    """Take a file of persons; rows and days."""
    contents = contents_of(path)
    assert contents.model == "persons"
    with warehouse.connect() as connection, transaction(connection):
        return take_persons(
            connection, contents.relation, has_deleted="is_deleted" in contents.columns
        )


def whose(warehouse):
    """Whose the one event is, and who says so."""
    return rows(warehouse, "SELECT person_id, person_rank FROM raw_events")[0]


def test_in_any_order_the_highest_version_below_a_query_is_right(warehouse, tmp_path, write):
    """All 24 orders of an exported event, its copy, and two files of persons with other versions."""
    kinds = ("event", "old", "new", "copy")
    persons = {
        "old": [("first", 3, False)],
        "new": [("second", 7, False), ("third", 5, False)],
    }
    orders = list(permutations(kinds))
    for step in range(len(kinds)):
        for kind in kinds:
            devices = [number for number, order in enumerate(orders) if order[step] == kind]
            if kind in persons:
                named = [(f"d{number}", *one) for number in devices for one in persons[kind]]
                take(warehouse, write(*named, name=f"{step}-{kind}.parquet"))
                continue
            batch = [
                event(
                    "property_view",
                    "10:00:00",
                    uuid=f"00000000-0000-4000-8000-{number:012d}",
                    distinct_id=f"d{number}",
                    person_id="ingested",
                    created_at=None if kind == "copy" else NOW,
                )
                for number in devices
            ]
            take_in(warehouse, tmp_path, batch, run_id=f"{step}-{kind}", rank=PersonRank.INGESTION)
    assert rows(
        warehouse, "SELECT person_id, person_rank, count(*) FROM raw_events GROUP BY ALL"
    ) == [("second", PersonRank.EXPORT, len(orders))]
    assert rows(
        warehouse,
        "SELECT person_id, person_rank, version, count(*) FROM person_overrides GROUP BY ALL",
    ) == [("second", PersonRank.EXPORT, 7, len(orders))]


@pytest.mark.parametrize("order", list(permutations(("event", "persons", "merge"))))
def test_what_a_query_said_is_not_undone(warehouse, tmp_path, write, order):
    """A merge that a query told of stands, whenever the export of persons comes; later events follow it."""
    file = write(("device", "exported", 99, False))
    for step in order:
        if step == "persons":
            take(warehouse, file)
        elif step == "merge":
            with warehouse.connect() as connection, transaction(connection):
                assign(connection, [("device", "merged")])
        else:
            row = event("property_view", "10:00:00", distinct_id="device", person_id="ingested")
            take_in(warehouse, tmp_path, [row], rank=PersonRank.INGESTION)
    known_before = order.index("merge") > min(order.index("event"), order.index("persons"))
    # A merge of somebody without events here is not kept, as the next plan tells of it again.
    assert whose(warehouse)[0] == ("merged" if known_before else "exported")


def test_an_event_that_a_query_read_keeps_its_person(warehouse, tmp_path, write):
    """The query knows who it is now; the export who it was."""
    row = event("property_view", "10:00:00", distinct_id="device", person_id="asked")
    take_in(warehouse, tmp_path, [row])
    assert take(warehouse, write(("device", "exported", 1, False))) == (1, set())
    assert whose(warehouse) == ("asked", PersonRank.QUERY)


def test_only_days_whose_events_changed_are_told(warehouse, tmp_path, write):
    """The same person again changes nothing; properties of persons are not stored."""
    row = event("property_view", "10:00:00", distinct_id="device", person_id="ingested")
    take_in(warehouse, tmp_path, [row], rank=PersonRank.INGESTION)
    file = write(("device", "person", 1, False), ("nobody here", "other", 1, False))
    assert take(warehouse, file) == (2, {row["timestamp"].date()})
    assert take(warehouse, file) == (2, set())
    assert rows(warehouse, "SELECT version FROM event_days") == [(2,)]
    columns = rows(warehouse, "SELECT column_name FROM (DESCRIBE person_overrides)")
    assert ("properties",) not in columns


def test_of_a_deleted_person_nothing_is_kept_but_whose_events_are_here(warehouse, tmp_path, write):
    """An erasure in PostHog takes the distinct id along; events that were not deleted keep whom they had."""
    row = event("property_view", "10:00:00", distinct_id="viewer", person_id="ingested")
    take_in(warehouse, tmp_path, [row], rank=PersonRank.INGESTION)
    take(warehouse, write(("viewer", "person", 1, False), ("reader", "other", 1, False)))
    gone = write(("viewer", "person", 2, True), ("reader", "other", 2, True), name="gone.parquet")
    assert take(warehouse, gone) == (2, set())
    assert rows(warehouse, "SELECT distinct_id, person_id FROM person_overrides") == [
        ("viewer", "person")
    ]
    assert whose(warehouse) == ("person", PersonRank.EXPORT)


def test_an_export_without_the_newest_columns_is_taken(warehouse, tmp_path, write):
    """Older exports do not say who is deleted."""
    file = write(
        ("device", "person", 1, False), columns="distinct_id, person_id, person_distinct_id_version"
    )
    assert take(warehouse, file) == (1, set())
