"""SIGKILL under load: what was answered is kept, once, and shown by the page that comes after."""

import re
import threading

import httpx

from leadpipe.leads.edits import LeadEdits
from leadpipe.warehouse import Warehouse
from leadpipe_tests.events.builders import take_in
from leadpipe_tests.leads.builders import publish
from leadpipe_tests.web.page_process import serving

_KILLS = 3
_PEOPLE = 4


def one_lead(folder):
    """A lead of a moment ago, published."""
    from datetime import UTC, datetime  # noqa: PLC0415 - this test's clock is the machine's

    warehouse = Warehouse(folder / "data" / "leadpipe.duckdb")
    warehouse.path.parent.mkdir()
    now = datetime.now(UTC)
    call = {
        "event": "lead_phone",
        "timestamp": now,
        "uuid": "00000000-0000-4000-8000-00000000000a",
        "distinct_id": "ama",
        "created_at": now,
        "properties": {"listing_id": "villa"},
    }
    take_in(warehouse, warehouse.path.parent, [call])
    publish(warehouse)


def write_until_killed(address, person, kill, acknowledged, *, after):
    """Write notes on the only lead until nobody answers any more; those that were answered."""
    with httpx.Client(timeout=120, trust_env=False, base_url=address) as client:
        text = client.get("/leads").text
        token = re.search(r'name="csrf" value="([^"]+)"', text)
        lead = re.search(r'href="(/leads/[0-9a-f]{12})"', text)
        assert token is not None
        assert lead is not None
        for number in range(10_000):
            note = f"{person} {number}"
            fields = {"csrf": token[1], "form": note, "note": note}
            try:
                answer = client.post(f"{lead[1]}/note", data=fields)
            except httpx.HTTPError:
                return
            if answer.status_code == 303:
                acknowledged.append(note)
                if len(acknowledged) == after:
                    kill()


def test_what_was_answered_survives_a_kill(machine_clock, tmp_path):
    """Four people write notes while the page is killed, three times: nothing answered is lost or doubled."""
    one_lead(tmp_path)
    acknowledged: list[str] = []
    for kill in range(_KILLS):
        with serving(tmp_path) as (process, address):
            threads = [
                threading.Thread(
                    target=write_until_killed,
                    args=(address, f"{kill}-{person}", process.kill, acknowledged),
                    kwargs={"after": (kill + 1) * 15},
                )
                for person in range(_PEOPLE)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            process.wait(30)
    kept = [edit.value for edit in LeadEdits(tmp_path / "data" / "lead_edits.sqlite").edits()]
    assert len(acknowledged) >= 15 * _KILLS
    assert {*acknowledged} <= {*kept}
    assert len(kept) == len({*kept})
    with serving(tmp_path) as (_, address):
        text = httpx.get(f"{address}/leads", timeout=120, trust_env=False).text
        lead = re.search(r'href="(/leads/[0-9a-f]{12})"', text)
        assert lead is not None
        text = httpx.get(address + lead[1], timeout=120, trust_env=False).text
    assert len(re.findall(r'<p class="text" dir="auto">', text)) == len(kept)
