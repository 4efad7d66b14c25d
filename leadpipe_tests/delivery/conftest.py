"""A test partner for all tests of delivery."""

from collections.abc import Iterator

import pytest

from leadpipe_tests.clocks import OneClock
from leadpipe_tests.delivery.partner_process import PartnerProcess


@pytest.fixture(scope="session")
def partner_process() -> Iterator[PartnerProcess]:
    """One partner for all tests; use `partner`, which empties it."""
    with PartnerProcess.start() as process:
        yield process


@pytest.fixture
def partner(partner_process: PartnerProcess, clock: OneClock) -> PartnerProcess:
    """An empty partner that accepts everything, with the test's clock."""
    partner_process.reset()
    clock.take_along(partner_process.set_clock)
    return partner_process
