"""`--webhook`: page views are posted when their time comes, in PostHog's body, and tried again."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Empty, Queue
from typing import Any

import pytest

from posthog_sandbox.process import SandboxProcess


@contextmanager
def receiver(*, failures: int) -> Iterator[tuple[str, Queue[dict[str, Any]]]]:
    """An address that fails so many times, and the bodies it took."""
    taken: Queue[dict[str, Any]] = Queue()
    left = [failures]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            left[0] -= 1
            self.send_response(500 if left[0] >= 0 else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            if left[0] < 0:
                taken.put(json.loads(body))

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/hook", taken
        finally:
            server.shutdown()
            thread.join()


def test_a_page_view_is_posted_with_its_person(machine_clock):
    """Body, person and times are PostHog's; other events are not sent; two failures are repeated."""
    with receiver(failures=2) as (url, taken), SandboxProcess.start(webhook=url) as sandbox:
        now = datetime.now(UTC).replace(microsecond=123_000)
        (uuid, _) = sandbox.control.insert(
            [
                {
                    "event": name,
                    "timestamp": now,
                    "created_at": datetime.now(UTC),
                    "distinct_id": "device-1",
                    "properties": {"$pathname": "/"},
                }
                for name in ("$pageview", "lead_phone")
            ]
        )
        body = taken.get(timeout=60)
        with pytest.raises(Empty):  # the next looks find it again
            taken.get(timeout=1.5)
    assert body["event"].keys() == {
        *("uuid", "event", "elements_chain", "distinct_id", "properties", "timestamp"),
        *("captured_at", "url"),
    }
    assert (body["event"]["uuid"], body["event"]["event"], body["event"]["properties"]) == (
        uuid,
        "$pageview",
        {"$pathname": "/"},
    )
    assert body["event"]["timestamp"] == f"{now:%Y-%m-%dT%H:%M:%S}.123Z"
    assert len(body["person"]["id"]) == 36
