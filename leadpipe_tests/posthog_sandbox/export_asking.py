"""File downloads as the sandbox's tests ask for them.

Belongs here: short forms of requests, and reading what came. Does not belong here: the client that is
tested against the sandbox.
"""

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pyarrow.parquet as pq

from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog_sandbox.asking import HTTP
from posthog_sandbox.process import SandboxProcess

UUID = "00000000-0000-4000-8000-{:012d}"
_WITHIN_SECONDS = 60


def event(
    number: int = 1, at: datetime = NOW - timedelta(hours=1), **fields: Any
) -> dict[str, Any]:
    """An event of an hour ago."""
    return {"event": "e", "timestamp": at, "uuid": UUID.format(number), **fields}


def body_of(
    start: datetime = NOW - timedelta(days=1), end: datetime = NOW, **fields: Any
) -> dict[str, Any]:
    """The body that asks for a day's events."""
    return {
        "model": "events",
        "file": {"format": "Parquet", "compression": "zstd"},
        "data_interval_start": start.isoformat(),
        "data_interval_end": end.isoformat(),
        **fields,
    }


def exports(
    sandbox: SandboxProcess, path: str = "", *, body: object = None, **options: Any
) -> httpx.Response:
    """The answer of the endpoint: a POST with a body, a GET without one."""
    kind = options.pop("kind", "projects")
    method = "GET" if body is None else "POST"
    url = f"{sandbox.url}/api/{kind}/{sandbox.project_id}/file_download_batch_exports/{path}"
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    return HTTP.request(method, url, json=body, headers=headers, **options)


def created(sandbox: SandboxProcess, **fields: Any) -> str:
    """The id of an export that must start."""
    response = exports(sandbox, body=body_of(**fields))
    assert response.status_code == 202, response.text
    assert [*response.json()] == ["id"]
    return str(response.json()["id"])


def ended(sandbox: SandboxProcess, export_id: str) -> dict[str, Any]:
    """What the export shows once it does not run any more."""
    end = time.monotonic() + _WITHIN_SECONDS
    while True:
        shown: dict[str, Any] = exports(sandbox, f"{export_id}/").json()
        if shown["status"] not in {"Starting", "Running"}:
            return shown
        assert time.monotonic() < end, shown
        time.sleep(0.01)


def address(sandbox: SandboxProcess, export_id: str, part: str | int = 0) -> str:
    """Where a file is to be had."""
    response = exports(sandbox, f"{export_id}/download/{part}/")
    assert response.status_code == 302, response.text
    assert response.headers["cache-control"] == "no-store"
    return str(response.headers["location"])


def fetched(sandbox: SandboxProcess, folder: Path, export_id: str) -> list[Path]:
    """The files of an export that must end well."""
    shown = ended(sandbox, export_id)
    assert shown["status"] == "Completed", shown
    paths = []
    for number in range(len(shown["files"])):
        where = address(sandbox, export_id, number)
        path = folder / urlsplit(where).path.rpartition("/")[2]
        path.write_bytes(HTTP.get(where).raise_for_status().content)
        paths.append(path)
    return paths


def rows_of(sandbox: SandboxProcess, folder: Path, **fields: Any) -> list[dict[str, Any]]:
    """The rows of an export in Parquet, in the order of their uuids or distinct ids."""
    paths = fetched(sandbox, folder, created(sandbox, **fields))
    rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
    return sorted(rows, key=lambda row: (row.get("uuid") or row["distinct_id"], row["created_at"]))
