"""Requests about cohorts and persons that the sandbox's tests make, over plain HTTP.

Belongs here: short forms. Does not belong here: the clients that are tested against it.
"""

from typing import Any

import httpx

from leadpipe_tests.posthog_sandbox.asking import HTTP, TOKEN, send
from posthog_sandbox.process import SandboxProcess

_AT = "2026-11-01T10:00:00Z"


def call(sandbox: SandboxProcess, method: str, path: str, **options: Any) -> httpx.Response:
    """The answer of an endpoint below the project's."""
    return HTTP.request(
        method,
        f"{sandbox.url}/api/projects/{sandbox.project_id}/{path}",
        headers={"Authorization": f"Bearer {sandbox.api_key}"},
        **options,
    )


def meet(sandbox: SandboxProcess, people: dict[str, dict[str, Any]]) -> None:
    """Let persons be known by a `$set` event each: their distinct id and their properties."""
    events = [
        {"event": "$set", "distinct_id": one, "timestamp": _AT, "properties": {"$set": properties}}
        for one, properties in people.items()
    ]
    answer = send(sandbox, "/batch/", {"api_key": TOKEN, "batch": events})
    assert answer.status_code == 200


def person(key: str, operator: str, value: object = None, **more: object) -> dict[str, Any]:
    """A condition on a property."""
    condition = {"type": "person", "key": key, "operator": operator, "value": value, **more}
    return {name: one for name, one in condition.items() if one is not None}


def filters(*values: dict[str, Any], kind: str = "AND") -> dict[str, Any]:
    """The `filters` of a cohort."""
    return {"properties": {"type": kind, "values": list(values)}}


def made(sandbox: SandboxProcess, name: str, **fields: Any) -> dict[str, Any]:
    """A cohort that must be made, as PostHog answers."""
    answer = call(sandbox, "POST", "cohorts/", json={"name": name, **fields})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def now(sandbox: SandboxProcess, cohort: dict[str, Any]) -> dict[str, Any]:
    """The cohort as it is now."""
    body: dict[str, Any] = call(sandbox, "GET", f"cohorts/{cohort['id']}/").json()
    return body


def members(sandbox: SandboxProcess, cohort: dict[str, Any]) -> list[str]:
    """The distinct ids of the members, sorted."""
    page = call(sandbox, "GET", f"cohorts/{cohort['id']}/persons/").json()
    return sorted(one for found in page["results"] for one in found["distinct_ids"])
