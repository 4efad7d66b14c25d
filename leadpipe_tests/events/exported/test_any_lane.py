"""Whichever lanes bring events, in whatever order, again and again, through kills: the same warehouse."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from leadpipe.events.persons import PersonRank
from leadpipe.warehouse import Warehouse
from leadpipe_tests.events.builders import build_marts, table, take_in
from leadpipe_tests.events.exported.builders import take, write_json_lines, write_parquet
from leadpipe_tests.events.test_ingest import copies
from leadpipe_tests.orders import orders

_TABLES = {
    # JSON Lines print properties in their own way; what they say is the same.
    "events": "SELECT * EXCLUDE (run_id) REPLACE (json(properties) AS properties) FROM raw_events",
    "copies": "SELECT * FROM event_copies",
    "hours": "SELECT * FROM listing_analytics",
    "listings": "SELECT * FROM listings",
    "leads": "SELECT lead_id, sum(total_actions), sum(lead_score), min(first_action_at), max(last_action_at) "
    "FROM leads GROUP BY lead_id",
}


class _Killed(BaseException):
    pass


def _kill(*_: object) -> None:
    raise _Killed


def outcome(warehouse: Warehouse) -> dict[str, list[tuple[object, ...]]]:
    """Everything that must not depend on how events came."""
    build_marts(warehouse)
    with warehouse.connect() as connection:
        return {name: table(connection, query) for name, query in _TABLES.items()}


def deliver(warehouse, folder, lane, events, *, run_id, is_killed=False):
    """Bring events by a lane; killed just before its commit, if it is one of files."""
    if lane == "query":
        take_in(warehouse, folder, events, run_id=run_id)
    elif lane == "webhook":
        unreceived = [{**one, "created_at": None} for one in events]
        take_in(warehouse, folder, unreceived, run_id=run_id, rank=PersonRank.INGESTION)
    else:
        write = write_parquet if lane == "parquet" else write_json_lines
        path = write(folder / f"export.{lane}", events)
        with suppress(_Killed):
            take(warehouse, path, run_id=run_id, note=_kill if is_killed else None)


@settings(max_examples=orders(5), deadline=None)
@given(events=st.lists(copies, min_size=1, max_size=10), data=st.data())
def test_any_mix_of_lanes_gives_the_same_tables(tmp_path_factory, events, data):
    """Then a file and a query bring all: row for row what one query brings."""
    folder = tmp_path_factory.mktemp("lanes")
    by_query, mixed = Warehouse(folder / "a.duckdb"), Warehouse(folder / "b.duckdb")
    deliver(by_query, folder, "query", events, run_id="run-1")
    for number in range(data.draw(st.integers(0, 4), label="deliveries")):
        deliver(
            mixed,
            folder,
            data.draw(st.sampled_from(["query", "webhook", "parquet", "jsonl"])),
            data.draw(st.lists(st.sampled_from(events), min_size=1)),
            run_id=f"run-{number}",
            is_killed=data.draw(st.booleans()),
        )
    for lane in data.draw(
        st.permutations(["query", data.draw(st.sampled_from(["parquet", "jsonl"]))])
    ):
        deliver(mixed, folder, lane, events, run_id="run-last")
    assert outcome(mixed) == outcome(by_query)


@settings(max_examples=orders(4), deadline=None)
@given(events=st.lists(copies, min_size=1, max_size=10), data=st.data())
def test_files_in_any_order_give_the_same_tables(tmp_path_factory, events, data):
    """Parquet and JSON Lines, in pieces, again and again: what one file of all brings."""
    folder = tmp_path_factory.mktemp("files")
    whole, pieces = Warehouse(folder / "a.duckdb"), Warehouse(folder / "b.duckdb")
    deliver(whole, folder, "parquet", events, run_id="run-1")
    left = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events)))))
    while left:
        size = data.draw(st.integers(1, len(left)))
        some, left = left[:size], left[size:]
        lane = data.draw(st.sampled_from(["parquet", "jsonl"]))
        if data.draw(st.booleans()):
            deliver(pieces, folder, lane, some, run_id="run-1", is_killed=True)
        deliver(pieces, folder, lane, some, run_id="run-1")
    assert outcome(pieces) == outcome(whole)
