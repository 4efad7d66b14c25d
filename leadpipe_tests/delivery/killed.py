"""A delivery that kills its own process at a step.

`python -m leadpipe_tests.delivery.killed STEP N URL FILE`.

STEP is one of: before send, after send, before commit, after commit; N is which one.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import httpx

from leadpipe.delivery.delivering import deliver
from leadpipe.delivery.partner import Partner
from leadpipe.delivery.turn import delivery_turn
from leadpipe.warehouse import Warehouse
from leadpipe.warehouse.locks import Lock
from leadpipe_tests.delivery.builders import POLICY, partner_settings

_lock = threading.Lock()
_left: dict[str, int] = {}


def step(name: str) -> None:
    """Count down, and die at zero."""
    with _lock:
        _left[name] = _left.get(name, 0) - 1
        if _left[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class KillingTransport(httpx.BaseTransport):
    """The network, with a step before and after each request that submits a lead."""

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        is_submit = request.method == "POST"
        if is_submit:
            step("before send")
        response = self._inner.handle_request(request)
        response.read()
        if is_submit:
            step("after send")
        return httpx.Response(
            response.status_code, headers=response.headers, content=response.content
        )


class KillingWarehouse(Warehouse):
    """A warehouse with a step before and after each commit."""

    @contextmanager
    def writing(self, lock: Lock, *locks: Lock) -> Iterator[duckdb.DuckDBPyConnection]:
        with super().writing(lock, *locks) as connection:
            yield connection
            step("before commit")
        step("after commit")


def main() -> None:
    """Deliver everything, unless killed."""
    name, number, url, file = sys.argv[1:]
    _left[name] = int(number)
    path = Path(file)
    warehouse = KillingWarehouse(path)
    with (
        delivery_turn(path.parent / "delivery.lock", warehouse, wait_seconds=1),
        Partner(partner_settings(url), transport=KillingTransport()) as partner,
    ):
        # A lead that was under way at eight deaths would be a person's: here it is to be sent in the end.
        policy = replace(POLICY, most_attempts=1_000)
        deliver(warehouse, partner, policy=policy, clock=lambda: datetime.now(UTC))


if __name__ == "__main__":
    main()
