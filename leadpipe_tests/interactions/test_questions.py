"""What a team asks of staff contacts, answered on syncs that are known."""

from datetime import timedelta

from leadpipe_tests.clocks import NOW
from leadpipe_tests.questions import answers


def test_answers_about_contacts(warehouse, tmp_path):
    """What was added adds up over the syncs; what had no lead is that of the latest one."""
    with warehouse.connect() as connection:
        for number, (added, unmatched) in enumerate([(3, 2), (1, 1)]):
            connection.execute(
                "INSERT INTO interaction_syncs BY NAME SELECT $id AS sync_id, $at AS synced_at, "
                "'spa' AS tenant, 'massage' AS program_id, 'warehouse' AS source, $at AS window_start, "
                "$at AS read_until, 9 AS events, $added AS added, 0 AS already_there, "
                "$unmatched AS unmatched, 0 AS rejected, '[]' AS problems, '' AS content_hash",
                {
                    "id": f"sync-{number}",
                    "at": NOW - timedelta(days=2 - number),
                    "added": added,
                    "unmatched": unmatched,
                },
            )
    assert answers(warehouse, tmp_path, "interactions") == {
        "contacts_by_tenant": [("spa", "massage", 2, 4, 1, 0, NOW - timedelta(days=1))]
    }
