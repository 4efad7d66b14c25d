"""A server that answers PostHog's queries and file downloads from what it has ready, so that it costs little.

`python -m benchmarks.lane_server EVENTS` prints its address and serves until it is ended. An export is made
when its span is asked for the first time, and ready from then on: after one run as a rehearsal, what is
measured is the taking alone. It knows the questions of a first load and refuses all others.
"""

import asyncio
import json
import mmap
import sys
import uuid
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from benchmarks.lane_events import PAGE_ROWS, LaneEvents, export, lane_events

_FILES = ", ROW_GROUPS_PER_FILE 12"  # some 128 MB each
_EXPORTS = "/api/projects/{project}/file_download_batch_exports/"
Key = tuple[str, str]


class LaneServer:
    """Rows, files, and what was asked of them."""

    def __init__(self, events: LaneEvents) -> None:
        self._events = events
        self._facts = events.facts
        with events.pages.open("rb") as file:
            self._pages = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self._starts = _line_starts(self._pages)
        self._spans: dict[str, str] = {}
        self._made: dict[str, asyncio.Task[list[Path]]] = {}
        self._exports: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def app(self) -> Starlette:
        """All of its endpoints."""
        return Starlette(
            routes=[
                Route("/counts", self.counts),
                Route("/days/{name}", self.day),
                Route("/pages/{number:int}", self.page),
                Route("/api/personal_api_keys/@current/", self.key),
                Route("/api/projects/{project}/query/", self.query, methods=["POST"]),
                Route(_EXPORTS, self.asked, methods=["POST"]),
                Route(_EXPORTS, self.listed),
                Route(f"{_EXPORTS}{{export}}/", self.shown),
                Route(f"{_EXPORTS}{{export}}/download/{{number}}/", self.address),
                Route("/store/{export}/{number}/{name}", self.stored),
            ]
        )

    async def counts(self, _: Request) -> Response:
        """What was asked since this was asked last: queries, exports, files, bytes."""
        counts, self._counts = self._counts, Counter()
        return JSONResponse(counts)

    async def day(self, request: Request) -> Response:
        """The file of a day, for those who only fetch."""
        return self._file(self._events.folder / "days" / request.path_params["name"])

    async def page(self, request: Request) -> Response:
        """The answer of a page, for those who only fetch."""
        first = request.path_params["number"] * PAGE_ROWS
        rows = self._between(first, min(first + PAGE_ROWS, len(self._starts) - 1))
        self._counts["queries"] += 1
        return self._sent(_answer(rows))

    async def key(self, _: Request) -> Response:
        """The key may do everything."""
        return JSONResponse({"scopes": ["*"]})

    async def query(self, request: Request) -> Response:
        """A page of events, fingerprints of days, hours of receipt, or how many of some events there are."""
        query: dict[str, Any] = (await request.json())["query"]
        values = query.get("values") or {}
        if "page_rows" in values:
            rows = self._page(values)
        elif values.get("bucket") == "%Y-%m-%d":
            first, end = values["window_start"][:10], values["window_end"][:10]
            rows = _lines(row for row in self._facts["days"] if first <= str(row[0]) < end)
        elif "created_after" in values:
            rows = _lines(self._facts["hours"])
        elif "uuids" in values:
            rows = _lines([[len(values["uuids"])]])
        else:
            return JSONResponse({"detail": "no question of a first load"}, 400)
        self._counts["queries"] += 1
        return self._sent(_answer(rows))

    async def asked(self, request: Request) -> Response:
        """Begin an export."""
        body = await request.json()
        identifier = str(uuid.uuid4())
        span = f"{body['data_interval_start']}-{body['data_interval_end']}"
        self._exports[identifier] = span
        if span not in self._made:
            making = asyncio.to_thread(
                self._make, body["data_interval_start"], body["data_interval_end"], len(self._made)
            )
            self._made[span] = asyncio.create_task(making)
        self._counts["exports"] += 1
        return JSONResponse({"id": identifier}, 202)

    async def listed(self, _: Request) -> Response:
        """The exports, newest first."""
        found = [{"id": one, "status": "Completed"} for one in reversed(self._exports)]
        return JSONResponse({"count": len(found), "next": None, "results": found[:100]})

    async def shown(self, request: Request) -> Response:
        """An export's state."""
        made = self._made[self._exports[request.path_params["export"]]]
        if not made.done():
            return JSONResponse({"status": "Running"})
        files = [str(number) for number in range(len(made.result()))]
        return JSONResponse({"status": "Completed", "files": files, "records_completed": None})

    async def address(self, request: Request) -> Response:
        """Where a file is."""
        identifier, number = request.path_params["export"], request.path_params["number"]
        name = f"{self._exports[identifier]}-{number}.parquet"
        return RedirectResponse(f"{request.base_url!s}store/{identifier}/{number}/{name}", 302)

    async def stored(self, request: Request) -> Response:
        """A file of an export."""
        made = self._made[self._exports[request.path_params["export"]]].result()
        return self._file(made[int(request.path_params["number"])])

    def _make(self, start: str, end: str, number: int) -> list[Path]:
        folder = self._events.folder / "exports" / f"{number:03d}"
        folder.parent.mkdir(exist_ok=True)
        days = ", ".join(f"'{path}'" for path in self._events.files)
        with duckdb.connect(config={"memory_limit": "1GB"}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            rows = (
                f"(FROM read_parquet([{days}]) WHERE created_at >= TIMESTAMPTZ '{start}' "
                f"AND created_at < TIMESTAMPTZ '{end}')"
            )
            export(connection, rows, folder, options=f"{_FILES}, OVERWRITE")
        return sorted(folder.glob("*.parquet"))

    def _page(self, values: dict[str, Any]) -> bytes:
        after = (_iso(values["after_timestamp"]), str(values["after_uuid"]))
        lines = range(len(self._starts) - 1)
        first = bisect_right(lines, after, key=self._key)
        last = bisect_left(lines, (_iso(values["window_end"]), ""), key=self._key)
        last = min(last, first + int(values["page_rows"]))
        return self._between(first, last)

    def _between(self, first: int, last: int) -> bytes:
        """Rows as they are in an answer."""
        if first >= last:
            return b""
        return self._pages[self._starts[first] : self._starts[last] - 1].replace(b"\n", b",")

    def _key(self, line: int) -> Key:
        row = json.loads(self._pages[self._starts[line] : self._starts[line + 1]])
        return row[2], row[0]

    def _file(self, path: Path) -> Response:
        self._counts["files"] += 1
        self._counts["bytes"] += path.stat().st_size
        return FileResponse(path)

    def _sent(self, body: bytes) -> Response:
        self._counts["bytes"] += len(body)
        return Response(body, media_type="application/json")


def _answer(rows: bytes) -> bytes:
    return b'{"results":[' + rows + b'],"columns":[],"types":[],"error":null}'


def _line_starts(lines: mmap.mmap) -> list[int]:
    starts, place = [0], 0
    while (place := lines.find(b"\n", place) + 1) > 0:
        starts.append(place)
    return starts


def _lines(rows: Iterable[object]) -> bytes:
    return b",".join(json.dumps(row).encode() for row in rows)


def _iso(text: str) -> str:
    return f"{text.replace(' ', 'T')}Z"


def main() -> None:
    """Serve so many events on a free port of loopback."""
    server = LaneServer(lane_events(int(sys.argv[1])))
    config = uvicorn.Config(server.app(), host="127.0.0.1", port=0, log_level="warning")
    socket = config.bind_socket()
    print(f"http://127.0.0.1:{socket.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run(sockets=[socket])


if __name__ == "__main__":
    main()
