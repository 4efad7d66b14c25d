"""What a view of the pages costs with a published year: CPU of the web application, tables and edits.

A year of 50,000 listings with 2 million hours, 5 million page views, and 100,000 leads; and when Chromium
paints each page.

The application runs in this process behind a test client, whose own CPU counts too. The budget is 60 ms a
view; the first view after a publication reads it once.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from starlette.testclient import TestClient

from benchmarks.first_paint import print_first_paints
from benchmarks.published_year import BUDGET, TENTH, publish_year
from leadpipe.leads.edits import STATUSES, Change, LeadEdits
from leadpipe.settings import whole_settings
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
_NUMBERS = {
    "all listings, 28 days": "/listings",
    "all listings, 90 days": "/listings?period=90",
    "listings by conversion, a search": "/listings?sort=conversion&q=listing-77",
    "the last page of listings": "/listings?page=1000",
    "one listing": "/listings/listing-7",
    "one listing, a year": "/listings/listing-7?from={year_ago}&to={today}",
    "visitors": "/visitors",
    "visitors, a year": "/visitors?from={year_ago}&to={today}",
    "Today": "/today",
    "System": "/admin/sync",
}


def run(*, is_full: bool) -> None:
    """Publish a year, open each page in a browser, change some leads, and print what a view costs."""
    size = BUDGET if is_full else TENTH
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        with _timed("making and publishing it"):
            publish_year(data, size, now)
        print_first_paints(data)
        settings = whole_settings()(_env_file=None, data_dir=data)
        with TestClient(
            create_app(settings), client=("127.0.0.1", 50_000), base_url="http://localhost"
        ) as client:
            _measure(client, size.leads)
            _measure_numbers(client, now.date())
            with _timed("  10,000 edits, on disk"):
                _edit(LeadEdits(data / "lead_edits.sqlite"), client, now)
            print("with 10,000 edits that no sync has taken in:")
            _measure(client, size.leads)


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


def _measure_numbers(client: TestClient, today: date) -> None:
    print("numbers, the first view after a publication, and then each view:")
    for name, address in _NUMBERS.items():
        path = address.format(today=today, year_ago=today - timedelta(days=364))
        first, _ = _cost(lambda path=path: client.get(path))  # type: ignore[misc]
        cpu, wall = _median(lambda path=path: client.get(path))  # type: ignore[misc]
        print(f"  {name:<36} {first:6.0f} ms once {cpu:6.1f} ms CPU {wall:6.1f} ms")
    with _timed("  the export of all listings"):
        client.get("/listings.csv")


def _median(look: Callable[[], object]) -> tuple[float, float]:
    costs = [_cost(look) for _ in range(_VIEWS)]
    return statistics.median(cpu for cpu, _ in costs), statistics.median(wall for _, wall in costs)


def _cost(look: Callable[[], object]) -> tuple[float, float]:
    began, cpu_began = time.perf_counter(), time.process_time()
    look()
    cpu, wall = time.process_time() - cpu_began, time.perf_counter() - began
    return cpu * 1_000, wall * 1_000


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
