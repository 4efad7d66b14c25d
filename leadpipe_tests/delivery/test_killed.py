"""A delivery killed at any step loses no lead and lets the partner accept none twice."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from leadpipe_tests.delivery.builders import accepted, deliver_to, hand_over, lead, states
from leadpipe_tests.events.builders import rows

_LEADS = 10
_STEPS = [
    ("before send", 1),
    ("before send", 6),
    ("after send", 1),
    ("after send", 10),
    ("before commit", 1),
    ("before commit", 2),
    ("before commit", 3),
    ("after commit", 1),
    ("after commit", 2),
    ("after commit", 3),
]


@pytest.mark.parametrize("honours_key", [True, False], ids=["keys", "list only"])
@pytest.mark.parametrize(("step", "number"), _STEPS)
def test_a_killed_delivery_is_finished_by_the_next(
    partner, warehouse, tmp_path, step, number, honours_key
):
    """The partner has each lead once, with keys honoured or only a list to ask."""
    partner.configure(honours_key=honours_key)
    hand_over(warehouse, *(lead(number) for number in range(1, _LEADS + 1)))
    killed = subprocess.run(
        [
            *(sys.executable, "-m", "leadpipe_tests.delivery.killed"),
            *(step, str(number), partner.url, str(warehouse.path)),
        ],
        cwd=Path(__file__).parents[2],
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -9, killed.stderr.decode()[-500:]
    deliver_to(partner, warehouse, after=timedelta(minutes=2))
    deliver_to(partner, warehouse, after=timedelta(minutes=4))
    assert accepted(partner) == sorted(str(number) for number in range(1, _LEADS + 1))
    assert set(states(warehouse).values()) == {"succeeded"}
    assert rows(
        warehouse, "SELECT count(*), count(DISTINCT idempotency_key) FROM succeeded_leads"
    ) == [(_LEADS, _LEADS)]
