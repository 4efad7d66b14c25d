"""Several workers on a shared lake; the long form is `make test-cluster`."""

from leadpipe_tests.warehouse.workers import Walk, prove


def test_each_event_counts_once_whoever_is_killed(lake, tmp_path):
    """Four workers offer the same events, and some are killed: rows = distinct uuids = the ledger's sums."""
    found = prove(lake, tmp_path, Walk(kills=3))
    assert found["kills"] == 3
