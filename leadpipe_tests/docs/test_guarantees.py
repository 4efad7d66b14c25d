"""Guarantees of the README that span the domains."""

from leadpipe.leads.scores import BUILT_IN
from leadpipe.published.tables import publish_tables
from leadpipe.rebuild import rebuild
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import rows

_MARTS = ("leads", "listing_analytics", "listings", "lead_edits", "raw_events")


def test_a_rebuild_gives_the_same_tables(warehouse, working_data, tmp_path):
    """All marts are dropped and built again: every row, and every byte published, is the same."""
    before = {table: rows(warehouse, f"SELECT * FROM {table} ORDER BY ALL") for table in _MARTS}
    rebuild(warehouse, rules=BUILT_IN, published=tmp_path / "rebuilt", now=NOW)
    after = {table: rows(warehouse, f"SELECT * FROM {table} ORDER BY ALL") for table in _MARTS}
    assert after == before
    assert all(before[table] for table in ("leads", "listing_analytics", "listings"))
    with warehouse.connect() as connection:
        publish_tables(connection, tmp_path / "again")
    for name in ("leads.parquet", "grouped_leads.parquet", "listings.parquet"):
        first = (working_data / "published" / "current" / name).read_bytes()
        assert (tmp_path / "again" / "current" / name).read_bytes() == first
