"""The webhook under load: requests a second, latency, and how long a changed count takes to an open page.

Two servers on loopback in turn, both with every answer on disk: leadpipe, and what one would write at first,
a route that commits one row a request. The sender needs a core of its own; the servers have the other.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from leadpipe.inbox.store import Inbox
from leadpipe.settings import child_environment

_RECORDED = Path(__file__).parents[1] / "leadpipe_tests" / "recorded" / "webhook_pageview.json"
_UUID = b"00000000-0000-4000-8000-%012d"
_CONNECTIONS = 32
_NAIVE = """
import json, sqlite3, sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.execute("PRAGMA synchronous = FULL")
db.execute("CREATE TABLE IF NOT EXISTS waiting (uuid TEXT PRIMARY KEY, body TEXT)")

async def take(request):
    body = await request.json()
    db.execute("INSERT OR IGNORE INTO waiting VALUES (?, ?)", (body["event"]["uuid"], json.dumps(body)))
    return JSONResponse({"ok": True})

app = Starlette(routes=[Route("/api/webhooks/posthog", take, methods=["POST"])])
uvicorn.run(app, port=int(sys.argv[2]), log_level="critical", access_log=False)
"""


@dataclass(frozen=True)
class Load:
    """What a load found: requests, how long they took together and each, and what the server holds."""

    seconds: float
    latencies: tuple[float, ...]
    acknowledged: int
    stored: int

    def line(self, name: str) -> str:
        """One line of the report."""
        ordered = sorted(self.latencies)
        at = {p: ordered[int(len(ordered) * p) - 1] * 1_000 for p in (0.5, 0.99)}
        return (
            f"  {name:<24} {self.acknowledged / self.seconds:7,.0f} requests/s   "
            f"p50 {at[0.5]:6.1f} ms   p99 {at[0.99]:6.1f} ms   "
            f"{self.acknowledged:,} acknowledged, {self.stored:,} stored"
        )


def run(*, is_full: bool) -> None:
    """Measure both servers in turn, three times, and the way of one event to an open page."""
    requests = 100_000 if is_full else 20_000
    loads: dict[str, list[Load]] = {"leadpipe": [], "a commit a request": []}
    for _ in range(3):
        with _leadpipe() as (url, folder):
            load = asyncio.run(_load(url, requests))
            stored = Inbox(folder / "inbox.sqlite").state().waiting
            loads["leadpipe"].append(Load(load.seconds, load.latencies, load.acknowledged, stored))
        with _naive() as url:
            load = asyncio.run(_load(url, requests // 10))
            loads["a commit a request"].append(load)
    print(f"\nwebhook: {requests:,} posts of {len(_body()):,} bytes, {_CONNECTIONS} connections")
    for name, found in loads.items():
        print(sorted(found, key=lambda load: load.seconds)[1].line(name))
    with _leadpipe() as (url, _):
        waits = asyncio.run(_changes(url))
    print(
        f"  webhook to changed count on an open page: median {statistics.median(waits) * 1_000:.0f} ms, "
        f"longest of {len(waits)} {max(waits) * 1_000:.0f} ms"
    )


def _body() -> bytes:
    content = json.loads(_RECORDED.read_text(encoding="utf-8"))
    content["event"]["timestamp"] = datetime.now(UTC).isoformat()
    content["event"]["uuid"] = "UUID"
    return json.dumps(content).encode()


@contextmanager
def _leadpipe() -> Iterator[tuple[str, Path]]:
    with tempfile.TemporaryDirectory(prefix="leadpipe-benchmark-") as name:
        environment = {"LEADPIPE_DATA_DIR": name, "LEADPIPE_WEB_PORT": "0", "COLUMNS": "200"}
        command = [sys.executable, "-m", "leadpipe", "serve"]
        with _started(command, environment) as process:
            for line in process.stderr or ():
                if "leadpipe page: " in line:
                    url = line.split("leadpipe page: ")[1].strip().removesuffix("/")
                    yield url, Path(name)
                    return
        raise RuntimeError("leadpipe serve ended before it listened")


@contextmanager
def _naive(port: int = 8791) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="leadpipe-benchmark-") as name:
        command = [sys.executable, "-c", _NAIVE, f"{name}/inbox.sqlite", str(port)]
        with _started(command, {}):
            url = f"http://127.0.0.1:{port}"
            for _ in range(100):
                try:
                    httpx.get(url)
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
            yield url


@contextmanager
def _started(command: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command, env=child_environment(environment), stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
        if process.stderr:
            process.stderr.close()


async def _load(url: str, requests: int) -> Load:
    """Post over kept connections, each as soon as the answer before is there."""
    host, port = url.removeprefix("http://").split(":")
    before, after = _body().split(b"UUID")
    length = len(before) + len(after) + 36
    head = (
        f"POST /api/webhooks/posthog HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()
    numbers = iter(range(requests))
    latencies: list[float] = []
    acknowledged = 0

    async def sender() -> None:
        nonlocal acknowledged
        reader, writer = await asyncio.open_connection(host, int(port))
        for number in numbers:
            sent = time.perf_counter()
            writer.write(head + before + _UUID % number + after)
            answer = await reader.readuntil(b"\r\n\r\n")
            size = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(size)
            latencies.append(time.perf_counter() - sent)
            acknowledged += answer.startswith(b"HTTP/1.1 200")
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(sender() for _ in range(_CONNECTIONS)))
    return Load(time.perf_counter() - started, tuple(latencies), acknowledged, acknowledged)


async def _changes(url: str, events: int = 20) -> list[float]:
    """Seconds from sending a new visitor's page view to its number on the stream that a page reads."""
    waits: list[float] = []
    async with (
        httpx.AsyncClient(timeout=30) as client,
        client.stream("GET", f"{url}/api/visitors/stream") as stream,
    ):
        lines = stream.aiter_lines()
        await _visitors(lines)
        for number in range(1, events + 1):
            await asyncio.sleep(0.37)
            event = {
                "uuid": str(uuid.uuid4()),
                "event": "$pageview",
                "timestamp": datetime.now(UTC).isoformat(),
                "distinct_id": f"device-{number}",
            }
            sent = time.perf_counter()
            await client.post(f"{url}/api/webhooks/posthog", json={"event": event})
            while await _visitors(lines) < number:
                pass
            waits.append(time.perf_counter() - sent)
    return waits


async def _visitors(lines: AsyncIterator[str]) -> int:
    async for line in lines:
        if line.startswith("data: "):
            return int(json.loads(line.removeprefix("data: "))["visitors"])
    raise RuntimeError("the stream ended")
