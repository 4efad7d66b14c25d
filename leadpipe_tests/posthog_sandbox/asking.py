"""Questions that the sandbox's tests ask: queries and captures over plain HTTP.

Belongs here: short forms of requests. Does not belong here: the clients that are
tested against the sandbox.
"""

import atexit
import gzip
import json
from typing import Any

import httpx

from posthog_sandbox.process import SandboxProcess

UTC_TIMES = {"convertToProjectTimezone": False}
TOKEN = "phc_testkey000000000000000000000000000000000"
HTTP = httpx.Client(timeout=120, trust_env=False)
"""One client for all tests: making one costs more than a request."""
atexit.register(HTTP.close)


def ask(
    sandbox: SandboxProcess,
    hogql: str,
    *,
    values: dict[str, Any] | None = None,
    modifiers: dict[str, Any] | None = UTC_TIMES,
    refresh: str | bool | None = "force_blocking",
    name: str = "a test",
    key: str | None = None,
    path: str | None = None,
) -> httpx.Response:
    """The answer to a HogQL query."""
    body = {
        "query": {"kind": "HogQLQuery", "query": hogql, "values": values, "modifiers": modifiers},
        "refresh": refresh,
        "name": name,
    }
    return HTTP.post(
        f"{sandbox.url}{path or f'/api/projects/{sandbox.project_id}/query/'}",
        headers={"Authorization": f"Bearer {sandbox.api_key if key is None else key}"},
        json=body,
    )


def rows(sandbox: SandboxProcess, hogql: str, **options: Any) -> list[list[Any]]:
    """The rows of a query that must succeed."""
    response = ask(sandbox, hogql, **options)
    assert response.status_code == 200, response.text
    results: list[list[Any]] = response.json()["results"]
    return results


def refusal(response: httpx.Response) -> tuple[int, str, str, str]:
    """Status, type, code and detail of an error; its whole body is these."""
    body = response.json()
    assert sorted(body) == ["attr", "code", "detail", "type"]
    return response.status_code, body["type"], body["code"], body["detail"]


def send(
    sandbox: SandboxProcess,
    path: str,
    body: object,
    *,
    headers: dict[str, str] | None = None,
    packed: bool = False,
) -> httpx.Response:
    """Capture: JSON unless it is bytes already, in gzip if wanted."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HTTP.post(
        f"{sandbox.url}{path}",
        content=gzip.compress(content) if packed else content,
        headers=headers or {"Content-Type": "application/json"},
    )
