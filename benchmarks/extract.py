"""200,000 events of 920 bytes from HTTP to a table: leadpipe, a naive script, and the fetch alone.

`python -m benchmarks.extract leadpipe|naive|fetch URL EVENTS` runs one side and prints its seconds.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import httpx
import pandas as pd
from pydantic import SecretStr

from benchmarks.measure import Stopwatch, print_figures, run_in_turn
from benchmarks.replay import DAY
from leadpipe.events.connecting import sync_config
from leadpipe.events.ledger import Run
from leadpipe.events.loading import load_days
from leadpipe.events.settings import EventsSettings
from leadpipe.posthog import PostHog
from leadpipe.warehouse import Warehouse

_NAIVE_PAGE = 10_000


def leadpipe(url: str, folder: Path, events: int, page_rows: int) -> None:
    """Load the day as a sync does: pages, one door, ledger, counts compared."""
    settings = EventsSettings(_env_file=None, data_dir=folder, page_rows=page_rows)
    warehouse = Warehouse(folder / "leadpipe.duckdb")
    with PostHog(host=url, project_id="1", api_key=SecretStr("phx_x")) as posthog, Stopwatch():
        report = load_days(
            posthog,
            warehouse,
            [DAY.date()],
            run=Run("benchmark", "manual"),
            config=replace(sync_config(settings), lane="query"),
            clock=lambda: datetime.now(UTC) + timedelta(days=1),
        )
    if report.ingested.new != events or report.incomplete_days:
        raise SystemExit(f"{report.ingested.new} events arrived")


def naive(url: str, folder: Path, events: int) -> None:
    """What a short script does: pages by OFFSET, a frame a page, properties decoded, inserted."""
    with duckdb.connect(str(folder / "naive.duckdb")) as connection, Stopwatch():
        done = 0
        while done < events:
            body = {"query": {"query": "events", "values": {"offset": done, "limit": _NAIVE_PAGE}}}
            rows = httpx.post(f"{url}/api/projects/1/query/", json=body, timeout=60).json()[
                "results"
            ]
            names = ["uuid", "event", "timestamp", "created_at", "distinct_id", "person_id", "p"]
            frame = pd.DataFrame(rows, columns=names)
            properties = pd.DataFrame([json.loads(text) for text in frame.pop("p")])
            frame = pd.concat(
                [frame, properties[["listing_id", "viewed_from", "is_logged_in"]]], axis=1
            )
            frame["timestamp"] = pd.to_datetime(frame["timestamp"])
            if done:
                connection.execute("INSERT INTO events SELECT * FROM frame")
            else:
                connection.execute("CREATE TABLE events AS SELECT * FROM frame")
            done += len(rows)


def fetch(url: str, folder: Path, events: int) -> None:
    """The ceiling: the same bytes over HTTP to a file, nothing read."""
    with (folder / "bytes").open("wb") as file, httpx.Client(timeout=60) as client, Stopwatch():
        for done in range(0, events, _NAIVE_PAGE):
            body = {"query": {"query": "events", "values": {"offset": done, "limit": _NAIVE_PAGE}}}
            file.write(client.post(f"{url}/api/projects/1/query/", json=body).content)


def run(*, is_full: bool) -> None:
    """Measure all sides against one server."""
    for events in (200_000, 1_000_000) if is_full else (200_000,):
        command = [sys.executable, "-m", "benchmarks.replay", str(events)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            url = server.stdout.readline().strip() if server.stdout else ""
            try:
                sides = {"fetch": "fetch", "leadpipe": "leadpipe", "naive script": "naive"}
                figures = run_in_turn(
                    {
                        name: ["benchmarks.extract", side, url, str(events)]
                        for name, side in sides.items()
                    }
                )
                print_figures(f"extract: {events:,} events over HTTP", figures, against="fetch")
                rate = events / figures["leadpipe"].median
                print(f"  leadpipe: {rate:,.0f} events a second, every one counted and compared")
            finally:
                server.terminate()


def main() -> None:
    """Run one side, in a folder of its own."""
    side, url, events = sys.argv[1], sys.argv[2], int(sys.argv[3])
    page_rows = int(sys.argv[4]) if len(sys.argv) > 4 else 10_000
    folder = Path(tempfile.mkdtemp(prefix="leadpipe-benchmark-"))
    try:
        if side == "leadpipe":
            leadpipe(url, folder, events, page_rows)
        else:
            {"naive": naive, "fetch": fetch}[side](url, folder, events)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
