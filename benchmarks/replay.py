"""A server that answers PostHog's query API from rows it has ready, so that it costs next to nothing.

`python -m benchmarks.replay EVENTS` prints its address and serves until it is ended. It knows the two
queries of leadpipe's loading (fingerprints of days, a page of events) and a plain `LIMIT … OFFSET …`.
"""

import json
import random
import sys
import uuid
from bisect import bisect_left, bisect_right
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import xor
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_HALF = 2**64 - 1  # of a uuid: what fingerprints are made of
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = datetime(2026, 11, 20, tzinfo=UTC)
_PADDING = {f"$property_{n:02d}": "x" * 18 for n in range(16)}


def make_rows(events: int) -> tuple[list[tuple[str, str]], list[bytes]]:
    """Events of one day of about 920 bytes each, sorted as the queries sort them."""
    rng = random.Random(1)
    rows = []
    for _ in range(events):
        moment = DAY + timedelta(microseconds=rng.randrange(86_400_000_000))
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        identifier = str(uuid.UUID(int=rng.getrandbits(128)))
        properties = {
            "listing_id": f"listing-{rng.randrange(5_000)}",
            "viewed_from": "search",
            "is_logged_in": True,
            **_PADDING,
        }
        row = [identifier, "property_view", stamp, stamp, f"anonymous-{rng.randrange(50_000)}"]
        row += [str(uuid.UUID(int=rng.getrandbits(64))), json.dumps(properties)]
        rows.append(((stamp, identifier), json.dumps(row).encode()))
    rows.sort()
    return [key for key, _ in rows], [row for _, row in rows]


class Replay:
    """Rows, and answers cut from them."""

    def __init__(self, events: int) -> None:
        self.keys, self.rows = make_rows(events)
        self.fingerprints = self._fingerprints()

    async def query(self, request: Request) -> Response:
        """Answer the query API."""
        query: dict[str, Any] = (await request.json())["query"]
        values = query.get("values") or {}
        if "page_rows" in values:
            first = bisect_right(self.keys, (_iso(values["after_timestamp"]), values["after_uuid"]))
            last = bisect_left(self.keys, (_iso(values["window_end"]), ""))
            body = self._answer(self.rows[first : min(last, first + int(values["page_rows"]))])
        elif "offset" in values:
            start = int(values["offset"])
            body = self._answer(self.rows[start : start + int(values["limit"])])
        else:
            body = self._answer(self.fingerprints)
        return Response(body, media_type="application/json")

    def _fingerprints(self) -> list[bytes]:
        """What `fingerprints.hogql` gives for days."""
        days: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for row in self.rows:
            identifier, _, stamp, _, _, person, _ = json.loads(row)
            half, of_person = (uuid.UUID(text).int & _HALF for text in (identifier, person))
            received = (datetime.fromisoformat(stamp) - _EPOCH) // timedelta(milliseconds=1)
            days[stamp[:10]].append((half, (half >> 2) + (of_person >> 2) + received))
        return [
            json.dumps(
                [day, len(found), *(str(reduce(xor, side)) for side in zip(*found, strict=True))]
            ).encode()
            for day, found in days.items()
        ]

    @staticmethod
    def _answer(rows: list[bytes]) -> bytes:
        return b'{"results":[' + b",".join(rows) + b'],"columns":[],"types":[],"error":null}'


def _iso(text: str) -> str:
    return f"{text.replace(' ', 'T')}Z"


def main() -> None:
    """Serve so many events on a free port of loopback."""
    replay = Replay(int(sys.argv[1]))
    app = Starlette(
        routes=[Route("/api/projects/{project}/query/", replay.query, methods=["POST"])]
    )
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    print(f"http://127.0.0.1:{socket.getsockname()[1]}", flush=True)
    server.run(sockets=[socket])


if __name__ == "__main__":
    main()
