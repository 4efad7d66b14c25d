"""SIGKILL under load: what was acknowledged is in the warehouse afterwards, each event once."""

import asyncio
import random
import uuid
from datetime import UTC, datetime

import httpx

from leadpipe.inbox.drain import drain
from leadpipe.inbox.store import Inbox
from leadpipe.warehouse import Warehouse
from leadpipe_tests.events.builders import rows
from leadpipe_tests.web.page_process import serving

_KILLS = 3
_SENDERS = 16
_PATH = "/api/webhooks/posthog"


async def send_until_killed(address: str, kill, *, after: int) -> set[str]:
    """Send events from many connections, kill the server in mid-air; the uuids it has acknowledged."""
    acknowledged: set[str] = set()

    async def sender(client: httpx.AsyncClient) -> None:
        while True:
            event_uuid = str(uuid.uuid4())
            event = {
                "uuid": event_uuid,
                "event": "$pageview",
                "timestamp": datetime.now(UTC).isoformat(),
                "distinct_id": "device-1",
                "properties": {},
            }
            try:
                answer = await client.post(address + _PATH, json={"event": event})
            except httpx.HTTPError:
                return
            if answer.status_code == 200:
                acknowledged.add(event_uuid)
                if len(acknowledged) == after:
                    kill()

    async with httpx.AsyncClient(timeout=120) as client:
        await asyncio.gather(*(sender(client) for _ in range(_SENDERS)))
    return acknowledged


def test_what_was_acknowledged_survives_a_kill(machine_clock, tmp_path):
    """Killed three times in mid-load and started again: nothing acknowledged is lost or counted twice."""
    chance = random.Random(7)
    acknowledged: set[str] = set()
    for _ in range(_KILLS):
        with serving(tmp_path) as (process, address):
            acknowledged |= asyncio.run(
                send_until_killed(address, process.kill, after=chance.randrange(50, 300))
            )
            process.wait(30)
    with serving(tmp_path) as (_, address):
        waiting = httpx.get(address + _PATH, timeout=120).json()["waiting"]
    warehouse = Warehouse(tmp_path / "data" / "leadpipe.duckdb")
    report = drain(
        Inbox(tmp_path / "data" / "inbox.sqlite"),
        warehouse,
        run_id="drain",
        landing=tmp_path / "landing",
        publish=lambda _: None,
        clock=lambda: datetime.now(UTC),
    )
    stored = {str(row[0]) for row in rows(warehouse, "SELECT uuid FROM raw_events")}
    assert len(acknowledged) >= 150
    assert acknowledged <= stored
    assert report.moved == report.ingested.new == len(stored) == waiting


def test_ending_it_politely_leaves_no_error(machine_clock, tmp_path):
    """SIGTERM ends the page with everything written, and no traceback."""
    with serving(tmp_path) as (process, address):
        httpx.post(address + _PATH, json={"event": "$autocapture"}, timeout=120)
        process.terminate()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
        process.wait(30)
