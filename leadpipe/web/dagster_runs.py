"""Start runs through Dagster's GraphQL API and follow them.

What a run does is the job's business. leadpipe's web process opens neither the warehouse nor PostHog.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

import httpx
from pydantic import SecretStr

from leadpipe.errors import LeadpipeError

State = Literal["waiting", "running", "succeeded", "failed"]

_TIMEOUT = httpx.Timeout(20.0, connect=3.0)
_SLOW_TIMEOUT = httpx.Timeout(90.0, connect=3.0)  # a schedule's tick asks PostHog
_POLL_SECONDS = 0.5
_MOST_MESSAGES = 50
PERSON_TAG = "leadpipe/person"
# As in `leadpipe/automation.py`, which needs Dagster's code.
_SYNC_TAG = "leadpipe/sync"
_KIND_TAG = "leadpipe/kind"
_SCHEDULE_TAG = "dagster/schedule_name"
_STATES: Mapping[str, State] = {
    "SUCCESS": "succeeded",
    "FAILURE": "failed",
    "CANCELED": "failed",
    "CANCELING": "failed",
    "STARTED": "running",
    "IN_PROGRESS": "running",
    "SKIPPED": "failed",
}

_WORKSPACE = """
{ repositoriesOrError { __typename
    ... on RepositoryConnection { nodes { name location { name } jobs { name } } }
    ... on PythonError { message } } }
"""
_LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on Error { message } } }
"""
_TICK = """
mutation ($selector: ScheduleSelector!, $timestamp: Float) {
  scheduleDryRun(selectorData: $selector, timestamp: $timestamp) { __typename
    ... on DryRunInstigationTick { evaluationResult {
        runRequests { tags { key value } } skipReason error { message } } }
    ... on Error { message } } }
"""
_UNDER_WAY = """
query ($job: String!) {
  runsOrError(limit: 100, filter: {pipelineName: $job,
      statuses: [QUEUED, NOT_STARTED, STARTING, STARTED]}) { __typename
    ... on Runs { results { runId tags { key value } } } ... on Error { message } } }
"""
_FOLLOW = """
query ($id: ID!) {
  runOrError(runId: $id) { __typename
    ... on Run { runId jobName status tags { key value }
      executionPlan { steps { key } }
      stepStats { stepKey status }
      eventConnection(limit: 1000) { events { __typename
        ... on MessageEvent { message level timestamp stepKey }
        ... on ExecutionStepFailureEvent { error { message } failureMetadata { label } }
        ... on RunFailureEvent { error { message } } } } }
    ... on Error { message } } }
"""


class DagsterUnavailable(LeadpipeError):  # noqa: N818 - says what is the case
    """Dagster does not answer, or has refused to start a run."""


class SyncUnderWay(LeadpipeError):  # noqa: N818 - says what is the case
    """What somebody wants to start has to wait for a run of the same job."""


@dataclass(frozen=True)
class Step:
    """A step of a run, by the name of its asset or check."""

    name: str
    state: State


@dataclass(frozen=True)
class RunProgress:
    """How far a run is; `error` is for people, `messages` are what its assets logged.

    Runs of one `sync` are its parts; None is one by itself. `person` is who started it on the page, `kind`
    why it exists otherwise.
    """

    run_id: str
    job: str
    state: State
    steps: Sequence[Step] = ()
    messages: Sequence[str] = ()
    error: str | None = None
    sync: str | None = None
    person: str | None = None
    kind: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in {"succeeded", "failed"}


@dataclass
class DagsterRuns:
    """The runs of one Dagster.

    Args:
        url: of its web server.
        transport: replaces the network, for tests.
        clock: the time (UTC).
        key: what the Dagster UI must be given where it wants a login.
        person: who starts runs, which they are tagged with; None for programs.

    Raises:
        DagsterUnavailable: from every method.
    """

    url: str
    transport: httpx.AsyncBaseTransport | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    key: SecretStr | None = None
    person: str | None = None
    _repository: dict[str, str] = field(default_factory=dict)
    _heard: dict[str, bool] = field(default_factory=dict)

    def started_by(self, person: str | None) -> "DagsterRuns":
        """The same Dagster, for runs that somebody starts."""
        return replace(self, person=person)

    @property
    def is_answering(self) -> bool:
        """Whether it answered when it was asked last; nobody has to wait to learn that."""
        return self._heard.get("last", False)

    async def start(self, job: str, tags: Mapping[str, str]) -> str:
        """Start a run of a job, or find the one that is under way; its id."""
        if under_way := await self.under_way(job):
            return under_way[0]
        return await self._launch(job, tags)

    async def start_alone(
        self, job: str, tags: Mapping[str, str], config: Mapping[str, object]
    ) -> str:
        """Start a run that does something of its own, so that none under way can stand for it; its id.

        Raises:
            SyncUnderWay: a run of the job has not ended.
        """
        if under_way := await self.under_way(job):
            raise SyncUnderWay(
                f"A sync is under way (run {under_way[0]}). Press again when it is over."
            )
        return await self._launch(job, tags, config)

    async def start_planned(self, job: str, schedule: str) -> list[str]:
        """Start the runs that a schedule would start now, or find those under way; their ids."""
        if under_way := await self.under_way(job):
            return under_way
        answer = await self._ask(
            _TICK,
            {
                "selector": {**await self._selector(), "scheduleName": schedule},
                "timestamp": self.clock().timestamp(),
            },
            "scheduleDryRun",
            timeout=_SLOW_TIMEOUT,
        )
        result = answer["evaluationResult"]
        if result is None or result["error"]:
            message = result["error"]["message"] if result else "no answer"
            raise DagsterUnavailable(f"The schedule {schedule} failed: {message}")
        return [
            await self._launch(job, {tag["key"]: tag["value"] for tag in request["tags"]})
            for request in result["runRequests"] or ()
        ]

    async def under_way(self, job: str) -> list[str]:
        """The ids of the runs of the job that have not ended and are parts of the sync started last."""
        answer = await self._ask(_UNDER_WAY, {"job": job}, "runsOrError")
        runs = answer["results"][::-1]
        syncs = [_sync_of(run) for run in runs]
        return [
            str(run["runId"])
            for run, sync in zip(runs, syncs, strict=True)
            if run is runs[-1] or (sync is not None and sync == syncs[-1])
        ]

    async def progress(self, run_id: str) -> RunProgress:
        """How far a run is."""
        run = await self._ask(_FOLLOW, {"id": run_id}, "runOrError")
        done = {step["stepKey"]: step["status"] for step in run["stepStats"]}
        plan = [step["key"] for step in (run["executionPlan"] or {"steps": ()})["steps"]]
        events = run["eventConnection"]["events"]
        messages = [
            event["message"]
            for event in events
            if event["__typename"] == "LogMessageEvent" and event["level"] in {"INFO", "WARNING"}
        ]
        state = _STATES.get(run["status"], "waiting")
        return RunProgress(
            run_id=run["runId"],
            job=run["jobName"],
            sync=_sync_of(run),
            person=_tag_of(run, PERSON_TAG),
            kind=_tag_of(run, _KIND_TAG),
            state=state,
            steps=tuple(Step(key, _STATES.get(done.get(key) or "", "waiting")) for key in plan),
            messages=tuple(messages[-_MOST_MESSAGES:]),
            error=_error_of(events) if state == "failed" else None,
        )

    async def wait(self, run_id: str, *, seconds: float) -> RunProgress:
        """Follow a run until it ends, or until so many seconds have passed."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + seconds
        progress = await self.progress(run_id)
        while not progress.is_over and loop.time() < give_up_at:
            await asyncio.sleep(_POLL_SECONDS)
            progress = await self.progress(run_id)
        return progress

    async def _launch(
        self, job: str, tags: Mapping[str, str], config: Mapping[str, object] | None = None
    ) -> str:
        if self.person:
            # Whoever waits for it is told at once what stands in the way, as by hand everywhere.
            others = {key: value for key, value in tags.items() if key != _SCHEDULE_TAG}
            tags = {**others, _KIND_TAG: "manual", PERSON_TAG: self.person}
        answer = await self._ask(
            _LAUNCH,
            {
                "params": {
                    "selector": {**await self._selector(), "jobName": job},
                    "runConfigData": config or {},
                    "mode": "default",
                    "executionMetadata": {
                        "tags": [{"key": key, "value": value} for key, value in tags.items()]
                    },
                }
            },
            "launchRun",
        )
        return str(answer["run"]["runId"])

    async def _selector(self) -> dict[str, str]:
        if not self._repository:
            answer = await self._ask(_WORKSPACE, {}, "repositoriesOrError")
            for node in answer["nodes"]:
                if any(job["name"] == "sync" for job in node["jobs"]):
                    self._repository |= {
                        "repositoryName": node["name"],
                        "repositoryLocationName": node["location"]["name"],
                    }
        if not self._repository:
            raise DagsterUnavailable(
                f"The Dagster at {self.url} has not loaded leadpipe's definitions; see its "
                "Deployment page for the reason."
            )
        return dict(self._repository)

    async def _ask(
        self,
        query: str,
        variables: Mapping[str, object],
        name: str,
        *,
        timeout: httpx.Timeout = _TIMEOUT,
    ) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(
                transport=self.transport, timeout=timeout, verify=_trusted()
            ) as client:
                response = await client.post(
                    f"{self.url.rstrip('/')}/graphql",
                    json={"query": query, "variables": variables},
                    headers={"Authorization": f"Bearer {self.key.get_secret_value()}"}
                    if self.key
                    else {},
                )
            content = response.json()
        except (httpx.HTTPError, ValueError) as error:
            self._heard["last"] = False
            raise DagsterUnavailable(
                f"Dagster does not answer at {self.url} ({type(error).__name__}). "
                "Start it with `make up`, or set LEADPIPE_DAGSTER_URL."
            ) from None
        self._heard["last"] = response.status_code not in {401, 403}
        if not self.is_answering:
            raise DagsterUnavailable(
                f"Dagster at {self.url} lets nobody in. Start it with `leadpipe dagster`, over the "
                "same data folder and with the same settings as the page."
            )
        if not isinstance(content, dict) or content.get("errors") or not content.get("data"):
            raise DagsterUnavailable(
                f"Dagster at {self.url} did not understand a question; is it version 1.13?"
            )
        answer: dict[str, Any] = content["data"][name]
        if "message" in answer and "runId" not in answer:
            raise DagsterUnavailable(f"Dagster says: {answer['message'].strip()}")
        return answer


def _sync_of(run: Mapping[str, Any]) -> str | None:
    return _tag_of(run, _SYNC_TAG)


def _tag_of(run: Mapping[str, Any], name: str) -> str | None:
    return next((tag["value"] for tag in run["tags"] if tag["key"] == name), None)


def _error_of(events: Sequence[Mapping[str, Any]]) -> str:
    """The reason of a failed run: what a step said, else what Dagster said."""
    for event in events:
        if event["__typename"] == "ExecutionStepFailureEvent":
            message = (event["error"] or {}).get("message") or event["message"]
            return str(message).strip().removeprefix("dagster._core.definitions.events.Failure: ")
    for event in reversed(events):
        if event["__typename"] == "RunFailureEvent":
            return str(event["message"]).strip()
    return "the run was stopped"


@cache
def _trusted() -> ssl.SSLContext:
    """Whom https is believed of; read once, as a client that reads it costs 40 ms."""
    return httpx.create_ssl_context()
