"""One process delivers at a time: the kernel, or PostgreSQL, forgets the lock when the process dies.

So what is `sent` when a turn begins was left by a process that is gone. On one machine a file is the lock;
machines that share a warehouse have one in its PostgreSQL, too.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from leadpipe.errors import DeliveryUnderWay
from leadpipe.warehouse import Warehouse

_POLL_SECONDS = 0.1
_NAME = "delivery turn"


@contextmanager
def delivery_turn(
    path: Path,
    warehouse: Warehouse,
    *,
    wait_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Callable[[], bool]]:
    """Hold the turn; gives what says whether it is lost, which only a shared warehouse's can be.

    Args:
        path: the lock file; it stays.
        warehouse: whose leads are delivered.
        wait_seconds: how long to wait while another process has the turn.
        sleep: waits.

    Raises:
        DeliveryUnderWay: another process has it.
        WarehouseUnreachable: the PostgreSQL of a shared warehouse does not answer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    give_up_at = time.monotonic() + wait_seconds
    with path.open("a+") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up_at:
                    file.seek(0)
                    raise DeliveryUnderWay(
                        f"Process {file.read().strip() or '?'} delivers leads right now, for more than "
                        f"{wait_seconds:.0f} s. Wait for it, then try again."
                    ) from None
                sleep(_POLL_SECONDS)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        with _among_machines(
            warehouse, give_up_at=give_up_at, wait_seconds=wait_seconds, sleep=sleep
        ) as is_held:
            yield lambda: not is_held()


@contextmanager
def _among_machines(
    warehouse: Warehouse,
    *,
    give_up_at: float,
    wait_seconds: float,
    sleep: Callable[[float], None],
) -> Iterator[Callable[[], bool]]:
    """Hold the turn of all machines."""
    while True:
        with ExitStack() as stack:
            is_held = stack.enter_context(warehouse.alone_as(_NAME))
            if is_held():
                yield is_held
                return
        if time.monotonic() >= give_up_at:
            raise DeliveryUnderWay(
                f"Another machine delivers leads right now, for more than {wait_seconds:.0f} s. "
                "Wait for it, then try again."
            )
        sleep(_POLL_SECONDS)
