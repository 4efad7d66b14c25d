#!/opt/leadpipe/bin/python
"""Whether a program of leadpipe's on this machine lives: `healthcheck PORT`, `daemon` or `worker`.

Exit code 0 if `/healthz` answers on that port, the daemon has just been heard of, or the worker answers by
way of the broker; else 1 with the reason.
Python's own library alone, so that it costs little each half minute.
"""

import http.client
import os
import socket
import sys
from http import HTTPStatus

_SECONDS = 5


def main(what: str) -> int:
    """Ask once; the exit code."""
    if what == "daemon":
        os.execvp("dagster-daemon", ["dagster-daemon", "liveness-check"])
    if what == "worker":
        own = f"celery@{socket.gethostname()}"
        os.execvp("celery", ["celery", "-A", "leadpipe.worker", "inspect", "ping", "-d", own])
    connection = http.client.HTTPConnection("127.0.0.1", int(what), timeout=_SECONDS)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"port {what}: {error}\n")
        return 1
    sys.stderr.write(f"port {what}: {status}\n")
    return 0 if status == HTTPStatus.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
