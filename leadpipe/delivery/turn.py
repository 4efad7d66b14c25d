"""One process delivers at a time, on one machine: the kernel forgets the lock when the process dies.

So what is `sent` when a turn begins was left by a process that is gone.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from leadpipe.errors import DeliveryUnderWay

_POLL_SECONDS = 0.1


@contextmanager
def delivery_turn(
    path: Path, *, wait_seconds: float, sleep: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Hold the turn.

    Args:
        path: the lock file; it stays.
        wait_seconds: how long to wait while another process has the turn.
        sleep: waits.

    Raises:
        DeliveryUnderWay: another process has it.
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
        yield
