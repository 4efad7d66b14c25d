"""Guarantees of the README that span the domains."""

from leadpipe.rebuild import rebuild
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import rows, settings_of

_MARTS = ("leads", "listing_analytics", "listings", "lead_edits", "raw_events")


def test_a_rebuild_gives_the_same_tables(warehouse, working_data):
    """All marts are dropped and built again: every row, and every byte published, is the same."""
    tables = ("leads", "grouped_leads", "listings")
    current = working_data / "published" / "current"

    def published():
        return {
            str(path.relative_to(current)).partition(".")[0]: path.read_bytes()
            for table in tables
            for path in current.rglob("*.parquet")
            if path.relative_to(current).parts[0].partition(".")[0] == table
        }

    first = published()
    before = {table: rows(warehouse, f"SELECT * FROM {table} ORDER BY ALL") for table in _MARTS}
    rebuild(settings_of(warehouse), now=NOW)
    after = {table: rows(warehouse, f"SELECT * FROM {table} ORDER BY ALL") for table in _MARTS}
    assert after == before
    assert all(before[table] for table in ("leads", "listing_analytics", "listings"))
    assert {name.partition("/")[0] for name in first} == set(tables)
    assert published() == first
