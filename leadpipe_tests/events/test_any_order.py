"""Days through HTTP in any order, in one run or many, in overlap: equal marts."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from leadpipe.settings import Settings
from leadpipe.warehouse import Warehouse
from leadpipe_tests.events.builders import build_marts, load, table
from leadpipe_tests.orders import orders

_LAST = date(2026, 11, 20)
_DAYS = [_LAST - timedelta(days=n) for n in range(5, -1, -1)]
_LATER = datetime(2026, 12, 1, tzinfo=UTC)  # by then every generated event is visible

_MARTS = {
    "events": "SELECT * EXCLUDE (run_id) FROM raw_events",
    "hours": "SELECT * FROM listing_analytics",
    "totals": "SELECT * FROM listings",
    "leads": "SELECT lead_id, sum(total_actions), sum(lead_score), min(first_action_at), max(last_action_at) "
    "FROM leads GROUP BY lead_id",
    "verdicts": "SELECT event_date, posthog_events, warehouse_events FROM event_days",
}


def marts(warehouse: Warehouse) -> dict[str, list[tuple[object, ...]]]:
    """Every table that must come out the same, rows in a fixed order."""
    build_marts(warehouse)
    with warehouse.connect() as connection:
        return {name: table(connection, query) for name, query in _MARTS.items()}


@pytest.fixture
def traffic(sandbox, settings) -> Settings:
    """Settings of a sandbox with six days of generated traffic, duplicates and late events included."""
    sandbox.control.generate(900, days=6, end=datetime(2026, 11, 21, tzinfo=UTC), seed=5)
    sandbox.control.set_clock(_LATER)
    sandbox.control.limits(enforce=False)
    small_pages: Settings = settings.model_copy(update={"page_rows": 100})
    return small_pages


@examples(  # `make test-walks` is the long form
    max_examples=orders(3), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    loads=st.lists(
        st.tuples(st.lists(st.sampled_from(_DAYS), min_size=1, max_size=4), st.booleans()),
        max_size=5,
    )
)
def test_days_in_any_order_and_overlap_give_equal_marts(traffic, tmp_path_factory, loads):
    """Any loads of any days, full or not, and then the rest: the tables of one run over all days."""
    folder = tmp_path_factory.mktemp("order")
    whole, pieces = Warehouse(folder / "whole.duckdb"), Warehouse(folder / "pieces.duckdb")
    load(traffic, whole, _DAYS, now=_LATER)
    for number, (days, is_full) in enumerate([*loads, (_DAYS, False)]):
        load(traffic, pieces, days, run_id=f"run-{number}", is_full=is_full, now=_LATER)
        if is_full:
            build_marts(pieces)
    assert marts(pieces) == marts(whole)
