"""A Dagster that answers the questions of `dagster_runs.py` from a script, over httpx's own transport."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class FakeDagster(httpx.AsyncBaseTransport):
    """What the web application would see of a Dagster.

    Args:
        states: of the run, one a question; the last one stays, until a test sets others.
        events: what the run logs.
        under_way: the id of a run that has not ended.
        under_way_of: runs that have not ended and the syncs they are parts of, the latest first.
        tick: what the schedule would start: the tags of each run.
        problem: an error that Dagster answers launches with.
    """

    states: list[str] = field(default_factory=lambda: ["SUCCESS"])
    events: list[dict[str, Any]] = field(default_factory=list)
    under_way: str | None = None
    under_way_of: dict[str, str] = field(default_factory=dict)
    tick: list[dict[str, str]] = field(default_factory=lambda: [{}])
    problem: str | None = None
    job: str = "visitors"
    launched: list[dict[str, Any]] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one question."""
        asked = json.loads(await request.aread())
        return httpx.Response(200, json={"data": self._data(asked["query"], asked["variables"])})

    def _data(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "repositoriesOrError" in query:
            node = {
                "name": "__repository__",
                "location": {"name": "leadpipe.definitions"},
                "jobs": [{"name": "sync"}, {"name": "visitors"}],
            }
            return {"repositoriesOrError": {"__typename": "RepositoryConnection", "nodes": [node]}}
        if "launchRun" in query:
            return {"launchRun": self._launch(variables["params"])}
        if "scheduleDryRun" in query:
            requests = [
                {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
                for tags in self.tick
            ]
            result = {"runRequests": requests, "skipReason": None, "error": None}
            return {"scheduleDryRun": {"evaluationResult": result}}
        if "runsOrError" in query:
            runs = [
                {"runId": run, "tags": [{"key": "leadpipe/sync", "value": sync}]}
                for run, sync in self.under_way_of.items()
            ]
            if self.under_way:
                runs = [{"runId": self.under_way, "tags": []}]
            return {"runsOrError": {"results": runs}}
        return {"runOrError": self._run(variables["id"])}

    def _launch(self, params: dict[str, Any]) -> dict[str, Any]:
        if self.problem:
            return {"__typename": "PythonError", "message": self.problem}
        self.launched.append(params)
        return {"run": {"runId": f"run-{len(self.launched)}"}}

    def _run(self, run_id: str) -> dict[str, Any]:
        if not run_id.startswith("run-"):
            return {
                "__typename": "RunNotFoundError",
                "message": f"Run {run_id} could not be found.",
            }
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {
            "runId": run_id,
            "jobName": self.job,
            "tags": self._tags(run_id),
            "status": state,
            "executionPlan": {"steps": [{"key": "visitor_metrics"}, {"key": "weeks_agree"}]},
            "stepStats": [{"stepKey": "visitor_metrics", "status": "SUCCESS"}],
            "eventConnection": {"events": self.events},
        }

    def _tags(self, run_id: str) -> list[dict[str, str]]:
        """Those of a launch, if it was launched here."""
        number = int(run_id.removeprefix("run-"))
        if number > len(self.launched):
            return []
        tags: list[dict[str, str]] = self.launched[number - 1]["executionMetadata"]["tags"]
        return tags


class NoDagster(httpx.AsyncBaseTransport):
    """Nobody listens."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Refuse the connection."""
        raise httpx.ConnectError("refused", request=request)
