"""The levers of a running sandbox, as a typed client of its `/_sandbox/` endpoints.

Belongs here: what tests and demos do to the sandbox behind PostHog's API. Does not belong here: what
the levers do (`control_api.py`), and PostHog's own API.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self, TypedDict, cast

import httpx

_TIMEOUT_SECONDS = 120.0
_LOOK_SECONDS = 0.02


class LoggedRequest(TypedDict):
    """One request that reached the sandbox; `rows` is None if it was no query."""

    path: str
    name: str | None
    query: str | None
    status: int
    rows: int | None
    started_at: str
    seconds: float


class Truth(TypedDict):
    """What the last generated traffic holds: the answers that a client must come to.

    `events` counts rows, `distinct` uuids; `duplicates` is the difference; `late` counts the first
    copies that came a minute or more after their timestamp; `by_event` and `by_day` (UTC days of
    `timestamp`) count distinct uuids.
    """

    events: int
    distinct: int
    duplicates: int
    late: int
    by_event: dict[str, int]
    by_day: dict[str, int]


class Stats(TypedDict):
    """What is stored now; `by_event` and `by_day` count visible rows."""

    rows: int
    visible: int
    distinct: int
    by_event: dict[str, int]
    by_day: dict[str, int]


class Attempt(TypedDict):
    """One request of a webhook: its `status` or `error`, its headers, and the wait before the next."""

    status: int | None
    error: str | None
    headers: dict[str, str]
    answer: str
    next_in_seconds: float | None


class Delivery(TypedDict):
    """An event on its way; its `outcome` is `delivered`, `failed`, `given up` or `not sent: …`."""

    uuid: str
    event: str
    body: str
    webhook_id: str
    attempts: list[Attempt]
    outcome: str | None


class ExportRun(TypedDict):
    """A file download as the server has it: `asked` is the request's body, `reading` what its span is of."""

    id: str
    asked: dict[str, Any]
    status: str
    rows: int | None
    files: list[str]
    reading: str


class StoreRequest(TypedDict):
    """A request that reached the store of files; `has_authorization` must be false for every one."""

    key: str
    range: str | None
    has_authorization: bool
    headers: dict[str, str]
    status: int


class SandboxControl:
    """Levers of the sandbox at `base_url`; each call is in force when it returns."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx.Client(
            base_url=f"{base_url}/_sandbox/", timeout=_TIMEOUT_SECONDS, trust_env=False
        )

    def reset(self) -> None:
        """Remove events, persons, cohorts, faults, log, cache, clock; put limits and key back to default."""
        self._post("reset")

    def insert(self, events: Sequence[Mapping[str, Any]]) -> list[str]:
        """Store rows exactly as given, bypassing capture, and return their uuids.

        Args:
            events: each with `event` and `timestamp` (datetime or ISO text; naive is UTC), and
                optionally `uuid`, `distinct_id`, `person_id`, `properties` (a mapping, or a str
                that is stored verbatim), `created_at` (default the timestamp), `visible_at`
                (default `created_at`). A uuid given twice is stored twice.
        """
        rows = [{key: _plain(value) for key, value in event.items()} for event in events]
        uuids: list[str] = self._post("insert", events=rows)["uuids"]
        return uuids

    def generate(
        self, events: int, days: int = 60, end: datetime | None = None, seed: int = 1
    ) -> Truth:
        """Add generated traffic over the `days` before `end` (default now); return its truth."""
        return self._truth(
            self._post("generate", events=events, days=days, end=_plain(end), seed=seed)
        )

    def truth(self) -> Truth:
        """The truth of the last generated traffic (at start or by `generate`)."""
        return self._truth(self._get("truth"))

    def set_clock(self, now: datetime | None) -> None:
        """Hold the server's clock at a moment; None lets it run again."""
        self._post("clock", now=_plain(now))

    def fault(self, kind: str, **options: object) -> None:
        """Add a fault, see `faults.py` for the kinds.

        Common options: `times` (requests that it hits, default 1, -1 for always), `after` (requests
        that it lets pass first), `match` (only requests whose query name or path contains it).
        """
        self._post("faults", kind=kind, **options)

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._post("faults/clear")

    def limits(
        self,
        queries_at_once: int = 3,
        per_minute: int = 240,
        per_hour: int = 2400,
        enforce: bool = True,  # noqa: FBT001, FBT002 - the interface that callers know
        max_execution_seconds: float = 10,
        queue_seconds: float = 30,
    ) -> None:
        """Set PostHog's limits on queries and forget what was counted so far.

        `queue_seconds` is how long PostHog lets a query wait for one of the `queries_at_once`
        places before it answers 429. `max_execution_seconds` holds even if `enforce` is False.
        """
        self._post(
            "limits",
            queries_at_once=queries_at_once,
            per_minute=per_minute,
            per_hour=per_hour,
            enforce=enforce,
            max_execution_seconds=max_execution_seconds,
            queue_seconds=queue_seconds,
        )

    def row_cost(self, seconds_per_row: float) -> None:
        """Let each row that a query's WHERE matches cost time; beyond the limit it gets a 504."""
        self._post("row_cost", seconds_per_row=seconds_per_row)

    def slow_windows(self, rows: int | None) -> None:
        """Answer 504 to queries whose WHERE matches more than so many rows; None for never."""
        self._post("slow_windows", rows=rows)

    def ingest_delay(self, seconds: float) -> None:
        """Let captured events become visible only so many seconds after capture."""
        self._post("ingest_delay", seconds=seconds)

    def lagging_replica(self, seconds: float, match: str = "") -> None:
        """Let queries whose name contains `match` see what was visible so many seconds ago; 0 ends it."""
        self._post("lagging_replica", seconds=seconds, match=match)

    def set_retention(
        self,
        months: int | None = None,
        *,
        floor: datetime | None = None,
        enforced: bool = True,
    ) -> None:
        """Hide events older than so many months from every query, as PostHog's plans do.

        With `floor` those at that moment or before it are hidden instead, and the project does not say how
        many months it keeps; without both it is PostHog's seven years. With `enforced=False` the project
        says so, and nothing is hidden.
        """
        self._post("retention", months=months, floor=_plain(floor), enforced=enforced)

    def backlog(
        self,
        start: datetime,
        end: datetime,
        hours: float,
        *,
        most_hours: float | None = None,
        seed: int = 1,
    ) -> None:
        """Let events received from `start` until before `end` show only so many hours after that.

        It holds for what is captured, inserted or generated from now on. With `most_hours` each row waits
        for a time of its own between both, the same for the same uuid and seed. A row that would show later
        anyway, by `visible_at` or another backlog, does.
        """
        self._post(
            "backlog",
            start=_plain(start),
            end=_plain(end),
            hours=hours,
            most_hours=most_hours,
            seed=seed,
        )

    def hide_properties(self, *names: str) -> None:
        """Hide properties of events from the key's user, as access control does; none ends it."""
        self._post("hide_properties", names=names)

    def native_json(self, on: bool = True) -> None:  # noqa: FBT001, FBT002 - it is one switch
        """Move the project to the native-JSON events table, or back.

        From then on `properties` is rebuilt for every query, see `native_json.py`.
        """
        self._post("native_json", on=on)

    def squash(self) -> int:
        """Write the overrides of persons into the events, as PostHog's job does; how many there were.

        What queries say of persons stays the same; `person_distinct_id_overrides` is empty.
        """
        return int(self._post("squash")["overrides"])

    def delete_events(
        self,
        *,
        uuids: Sequence[str] | None = None,
        person_id: str | None = None,
        distinct_id: str | None = None,
        before: datetime | None = None,
        share_now: float = 1.0,
        after_seconds: float = 0.0,
        month_seconds: float = 0.0,
        seed: int = 1,
    ) -> int:
        """Delete the visible events for which all that is given holds; how many rows that are.

        Args:
            uuids: all copies of these.
            person_id: the events whose own row names the person; a merge shows there after `squash`.
            distinct_id: the events of one.
            before: exclusive, on timestamp.
            share_now: the part that goes at once, rows chosen by the seed.
            after_seconds: when the rest goes, by the server's clock.
            month_seconds: how much later each month of timestamps is begun than the one before it.
            seed: of the choice.
        """
        return int(
            self._post(
                "events/delete",
                uuids=None if uuids is None else list(uuids),
                person_id=person_id,
                distinct_id=distinct_id,
                before=_plain(before),
                share_now=share_now,
                after_seconds=after_seconds,
                month_seconds=month_seconds,
                seed=seed,
            )["rows"]
        )

    def scopes(self, *scopes: str) -> None:
        """Replace the scopes of the API key (`query:read`, …, `*`)."""
        self._post("scopes", scopes=scopes)

    def property_types(self, types: Mapping[str, str]) -> None:
        """Define event properties as String, Numeric, Boolean or DateTime, as PostHog guesses."""
        self._post("property_types", types=dict(types))

    def rename_person(self, distinct_id: str, person_id: str) -> None:
        """Let all past and future events of a distinct id belong to another person."""
        self._post("persons/rename", distinct_id=distinct_id, person_id=person_id)

    def merge_persons(self, kept: str, merged: str) -> None:
        """Merge the person of the distinct id `merged` into the person of `kept`."""
        self._post("persons/merge", kept=kept, merged=merged)

    def cohort_calculation(self, seconds: float = 0.0, failures: int = 0) -> None:
        """Let cohorts be calculated only so many seconds after a change, and fail so many times."""
        self._post("cohorts/calculation", seconds=seconds, failures=failures)

    def add_destination(
        self,
        url: str,
        *,
        events: Sequence[str] | None = None,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        signing_secret: str | None = None,
        wait_scale: float = 1.0,
        timeout_seconds: float = 10.0,
    ) -> str:
        """Add an HTTP webhook destination: what is captured or inserted from now on is sent there.

        Args:
            url: where to.
            events: names; None for all.
            method: what the destination is set to.
            headers: beside `Content-Type` and `Accept`.
            signing_secret: signs each attempt; one that PostHog cannot sign with sends nothing.
            wait_scale: what the waits between attempts (1 s, 2 s, …, or `Retry-After`) are multiplied by.
            timeout_seconds: of an attempt.

        Returns:
            Its id.
        """
        added = self._post(
            "destinations",
            url=url,
            events=None if events is None else list(events),
            method=method,
            headers=dict(headers or {}),
            signing_secret=signing_secret,
            wait_scale=wait_scale,
            timeout_seconds=timeout_seconds,
        )
        return str(added["id"])

    def test_destination(
        self,
        destination: str,
        event: str = "$pageview",
        properties: Mapping[str, Any] | None = None,
    ) -> Delivery:
        """Press the test button: an event with a made-up uuid, sent once and stored nowhere."""
        sent = self._post(
            "destinations/test", id=destination, event=event, properties=dict(properties or {})
        )
        return cast("Delivery", sent)

    def deliveries(
        self, destination: str, *, until_settled: bool = True, within_seconds: float = 60.0
    ) -> list[Delivery]:
        """What became of everything sent to a destination, once nothing is on its way, or as it is now.

        Raises:
            TimeoutError: something is on its way still.
        """
        end = time.monotonic() + within_seconds
        while (state := self._post("destinations/deliveries", id=destination))[
            "waiting"
        ] and until_settled:
            if time.monotonic() > end:
                raise TimeoutError(f"{state['waiting']} webhooks are still on their way.")
            time.sleep(_LOOK_SECONDS)
        return cast("list[Delivery]", state["deliveries"])

    def export_to(
        self,
        destination: Mapping[str, str],
        *,
        start: datetime | None,
        end: datetime,
        is_backfill: bool = False,
        dies_after: int | None = None,
        **export: object,
    ) -> list[str]:
        """Run a batch export for the intervals between two moments, as PostHog does; the keys written.

        Args:
            destination: `{"folder": path}`, or `bucket`, `endpoint`, `key_id`, `secret` of an S3 server.
            start: of the first interval, which is the one that it lies in; None for one file of everything
                before `end`, as a backfill from the beginning.
            end: intervals that end later are not written.
            is_backfill: select as backfills do, by timestamp if `start` lies more than six days back.
            dies_after: the worker dies after so many files of each interval, before the manifest.
            **export: `interval` (`hour`, `day`, `week`, `every 5 minutes`, `every 15 minutes`), `zone`,
                `offset_hours`, `prefix`, `model` (`events`, `persons`), `format` (`Parquet`, `JSONLines`),
                `compression`, `max_size_mb`, `batch_rows`, `include`, `exclude`, `extra_columns`, `team_id`
                (of another project, for its persons).
        """
        found = self._post(
            "exports/run",
            **_export_body(destination, export),
            start=_plain(start),
            end=_plain(end),
            is_backfill=is_backfill,
            dies_after=dies_after,
        )
        return [str(key) for key in found["keys"]]

    def add_batch_export(self, destination: Mapping[str, str], **export: object) -> None:
        """Let a batch export run by itself from now on, each interval when it is over; see `export_to`."""
        self._post("exports/add", **_export_body(destination, export))

    def run_batch_exports(self) -> list[str]:
        """Run what is due by the sandbox's clock now, not within a second; the keys written."""
        return [str(key) for key in self._post("exports/due")["keys"]]

    def downloads(self, **rules: object) -> None:
        """Set how file downloads go from now on, see `DownloadRules`; what is not given is as at first.

        `at_once`, `seconds`, `looks`, `late_looks`, `tells_rows`, `settle_seconds`, `old_spans`,
        `has_copies`, `batch_rows`, `expires_seconds`, `kept_seconds`, `fails_to_start`.
        """
        self._post("downloads", **rules)

    def download_outcomes(self, *statuses: str, error: str | None = None) -> None:
        """Let the next file downloads end so, one after another; later ones end well.

        Args:
            statuses: `Completed`, `Failed`, `FailedRetryable`, `FailedBilling`, `Terminated`, `TimedOut`,
                `Cancelled`, or `lost`, which is running for ever.
            error: what those that fail say.
        """
        self._post("downloads/outcomes", statuses=statuses, error=error)

    def export_runs(self) -> list[ExportRun]:
        """Every file download since the last reset, the oldest first."""
        found: list[ExportRun] = self._get("downloads/runs")["runs"]
        return found

    def forget_export(self, export_id: str) -> None:
        """Let a file download be unknown to the server from now on."""
        self._post("downloads/forget", id=export_id)

    def store_fault(self, kind: str, **options: object) -> None:
        """Let the next transfers of files go wrong, see `file_store.py` for the kinds.

        Common options: `times` (requests that it hits, default 1, -1 for always), `after` (requests that it
        lets pass first).
        """
        self._post("store/faults", kind=kind, **options)

    def clear_store_faults(self) -> None:
        """Remove all faults of the store."""
        self._post("store/faults/clear")

    def store_requests(self) -> list[StoreRequest]:
        """Every request that reached the store of files since the last reset."""
        found: list[StoreRequest] = self._get("store/requests")["requests"]
        return found

    def requests(self) -> list[LoggedRequest]:
        """Requests since the last reset or `clear_requests`, in order of arrival."""
        found: list[LoggedRequest] = self._get("requests")["requests"]
        return found

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._post("requests/clear")

    def stats(self) -> Stats:
        """Counts of what is stored."""
        found = self._get("stats")
        return Stats(
            rows=found["rows"],
            visible=found["visible"],
            distinct=found["distinct"],
            by_event=found["by_event"],
            by_day=found["by_day"],
        )

    def close(self) -> None:
        """Close the connection; the sandbox runs on."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get(self, path: str) -> dict[str, Any]:
        return _body(self._http.get(path))

    def _post(self, path: str, **body: object) -> dict[str, Any]:
        return _body(self._http.post(path, json=body))

    def _truth(self, found: dict[str, Any]) -> Truth:
        return Truth(
            events=found["events"],
            distinct=found["distinct"],
            duplicates=found["duplicates"],
            late=found["late"],
            by_event=found["by_event"],
            by_day=found["by_day"],
        )


def _export_body(destination: Mapping[str, str], export: Mapping[str, object]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "interval": "hour",
        "zone": "UTC",
        "offset_hours": 0,
        "prefix": "",
        "model": "events",
        "format": "Parquet",
        "compression": "zstd",
        "max_size_mb": None,
        "batch_rows": None,
        "team_id": None,
        "include": [],
        "exclude": [],
        "extra_columns": {},
    }
    if unknown := export.keys() - body.keys():
        raise TypeError(f"A batch export has no {', '.join(sorted(unknown))}.")
    return {**body, **export, "destination": dict(destination)}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _body(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        raise ValueError(f"The sandbox refused {response.request.url.path}: {response.text}")
    body: dict[str, Any] = response.json()
    return body
