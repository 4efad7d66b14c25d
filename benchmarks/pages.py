"""What a view of the pages costs with 100,000 leads: CPU of the web application, published tables and edits.

The application runs in this process behind a test client, whose own CPU counts too. The budget is 60 ms a
view; the first view after a publication reads it once.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from starlette.testclient import TestClient

from leadpipe.leads.edits import STATUSES, Change, LeadEdits
from leadpipe.leads.months import months_followed
from leadpipe.published.tables import publish_tables
from leadpipe.settings import whole_settings
from leadpipe.warehouse import Warehouse
from leadpipe.web.app import create_app

_VIEWS = 20
_PAGES = {
    "all leads": "/leads",
    "unanswered of yesterday, by score": "/leads?status=new&period=yesterday&sort=score",
    "a search": "/leads?q=listing-77",
    "every filter": "/leads?q=seeker&status=new&status=lost&type=phone&score=20&source=google&age=older",
    "the last page": "/leads?page=1000",
    "one lead": "/leads/{lead}",
}
# 60 % of the leads have one action, the others two, in a second run.
_LEADS = """
    INSERT INTO leads BY NAME
    SELECT substr(md5(concat('listing|', listing_id, '|', seeker_id)), 1, 12) AS lead_id,
           concat('run-', run) AS run_id, * EXCLUDE (n, run, moment),
           'agent' AS lister_type, 'listing' AS context_type,
           CAST(concat('[{"action_id":"', uuid(), '","action_type":"', last_action_type,
               '","timestamp":"', strftime(moment, '%Y-%m-%dT%H:%M:%S.%fZ'), '","points":', lead_score,
               ',"utm_source":"', CASE n % 3 WHEN 0 THEN 'google' WHEN 1 THEN 'facebook' ELSE 'bing' END,
               '"}]') AS JSON) AS lead_actions,
           1 AS total_actions, 'built-in' AS score_version, moment AS first_action_at,
           moment AS last_action_at,
           CAST(moment AS DATE) AS first_action_date, CAST(moment AS DATE) AS last_action_date,
           'new' AS status, '["new"]' AS status_tracker, '[]' AS notes, moment AS created_at,
           moment AS updated_at
    FROM (
        SELECT n, run, concat('listing-', n % 5000) AS listing_id, concat('seeker-', n) AS seeker_id,
               concat('agent-', n % 300) AS lister_id,
               CASE n % 4 WHEN 0 THEN 'lead_appointment' ELSE 'lead_phone' END AS last_action_type,
               CASE n % 4 WHEN 0 THEN 40 ELSE 30 END AS lead_score,
               $now - to_seconds(CAST((n * 7919 + run * 1301) % (365 * 86400) AS BIGINT)) AS moment
        FROM range($leads) AS leads(n), range(1, 3) AS runs(run) WHERE run = 1 OR n % 5 < 2
    )
"""


def run(*, is_full: bool) -> None:
    """Publish leads, look at each page, change some, and print what a view costs."""
    leads = 100_000 if is_full else 20_000
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        warehouse = Warehouse(data / "leadpipe.duckdb")
        with warehouse.connect() as connection:
            with months_followed(connection, ["run-1", "run-2"]):
                connection.execute(_LEADS, {"leads": leads, "now": now})
            publish_tables(connection, data / "published")
        settings = whole_settings()(_env_file=None, data_dir=data)
        with TestClient(
            create_app(settings), client=("127.0.0.1", 50_000), base_url="http://localhost"
        ) as client:
            _measure(client, leads)
            with _timed("  10,000 edits, on disk"):
                _edit(LeadEdits(data / "lead_edits.sqlite"), client, now)
            print("with 10,000 edits that no sync has taken in:")
            _measure(client, leads)


def _measure(client: TestClient, leads: int) -> None:
    with _timed(f"{leads:,} leads, the first view after a publication"):
        text = client.get("/leads").text
    lead = text.partition('href="/leads/')[2][:12]
    for name, address in _PAGES.items():
        path = address.format(lead=lead)
        cpu, wall = _median(lambda path=path: client.get(path))  # type: ignore[misc]
        print(f"  {name:<36} {cpu:6.1f} ms CPU {wall:6.1f} ms")
    with _timed("  the export of all"):
        client.get("/leads.csv")


def _median(look: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = [], []
    for _ in range(_VIEWS):
        began, cpu_began = time.perf_counter(), time.process_time()
        look()
        cpu.append((time.process_time() - cpu_began) * 1_000)
        wall.append((time.perf_counter() - began) * 1_000)
    return statistics.median(cpu), statistics.median(wall)


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began, cpu_began = time.perf_counter(), time.process_time()
    yield
    cpu, wall = time.process_time() - cpu_began, time.perf_counter() - began
    print(f"{what}: {cpu * 1_000:.0f} ms CPU, {wall * 1_000:.0f} ms")


def _edit(edits: LeadEdits, client: TestClient, now: datetime) -> None:
    rows = client.get("/leads.csv?score=40").text.splitlines()[1:10_001]
    ids = [row.partition(",")[0] for row in rows]
    changes = [
        Change(json.dumps(n), lead, "status", STATUSES[n % 4 + 1]) for n, lead in enumerate(ids)
    ]
    edits.change(changes, author="benchmark", now=now)
