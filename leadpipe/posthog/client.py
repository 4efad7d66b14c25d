"""The client object: what can be asked of PostHog, one method a question.

Belongs here: paths, bodies, and the names a caller sees. Does not belong here: sending and
repeating (`exchange.py`), what an answer means (`answers.py`), the domains' HogQL.
"""

import dataclasses
import functools
import random
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Self, TypeVar

import httpx
from pydantic import SecretStr

from leadpipe.posthog import hosts, results
from leadpipe.posthog.answers import Asked
from leadpipe.posthog.exchange import Exchange, Upload
from leadpipe.posthog.limits import CallStats, Limiter, Limits
from leadpipe.posthog.results import Project, QueryResult

T = TypeVar("T")


class PostHog:
    """One project of one PostHog, as one API key sees it; safe to share between threads.

    Args:
        host: `https://eu.posthog.com`; the scheme may be left out. Plain http only to loopback.
        project_id: the number in the project's address, or `@current`.
        api_key: a personal API key (`phx_…`). It leaves this object in one header only.
        transport: replaces the network, for tests.
        limits: what the client allows its queries; lower it where others share the key.
        deadline_seconds: for one request with all its retries, from its first turn on; waiting
            for our own limits does not count.
        clock: monotonic seconds.
        sleep: waits so many seconds.
        jitter: a number in [0, 1) each time, to spread the waits of several workers.
        allow_insecure: lets the key travel in clear to a host that is not loopback.

    Raises:
        ConfigurationError: the host, project id, key or deadline cannot be used.
    """

    def __init__(
        self,
        *,
        host: str,
        project_id: str,
        api_key: SecretStr,
        transport: httpx.BaseTransport | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        deadline_seconds: float = 120.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        allow_insecure: bool = False,
    ) -> None:
        key = hosts.checked_key(api_key)
        self.host = hosts.normalised(host, allow_insecure=allow_insecure)
        self.project_id = hosts.checked_project_id(project_id)
        self._key_prefix = key.get_secret_value()[:4]
        self._queries = Limiter(limits, clock=clock, sleep=sleep)
        self._exchange = Exchange(
            host=self.host,
            api_key=key,
            transport=transport,
            deadline_seconds=deadline_seconds,
            clock=clock,
            sleep=sleep,
            jitter=jitter,
        )

    @property
    def stats(self) -> CallStats:
        """Counts of requests, retries and 429 answers since this object was made."""
        return self._exchange.stats

    @property
    def last_date(self) -> datetime | None:
        """PostHog's clock as its last answer gave it (UTC); None before the first one."""
        return self._exchange.last_date

    def query(
        self,
        hogql: str,
        *,
        values: Mapping[str, object] | None = None,
        name: str,
        deadline_seconds: float | None = None,
    ) -> QueryResult:
        """Run a HogQL query: never answered from PostHog's cache, dates in UTC.

        Args:
            hogql: the text; `{word}` in it stands for a bound value.
            values: the bound values: strings, numbers, booleans, or lists of them.
            name: what the query is for; it appears in PostHog's query log and in errors.
            deadline_seconds: instead of the client's own.

        Raises:
            QueryTooHeavy: ask for less at once.
            PostHogRefused: final; its subclasses say why.
            PostHogUnavailable: passing, and not over by the deadline.
        """
        query: dict[str, object] = {
            "kind": "HogQLQuery",
            "query": hogql,
            "values": dict(values or {}),
            "modifiers": {"convertToProjectTimezone": False},
        }
        return self._exchange.request(
            "POST",
            f"/api/projects/{self.project_id}/query/",
            read=results.query_result,
            asked=self._asked(name, is_query=True),
            body={"query": query, "refresh": "force_blocking", "name": name},
            limiter=self._queries,
            deadline_seconds=deadline_seconds,
        )

    def project(self) -> Project:
        """The project itself; wants the scope `project:read`. Errors as for `query`."""
        body = self._exchange.request(
            "GET",
            f"/api/projects/{self.project_id}/",
            read=functools.partial(results.parsed, results.ProjectBody),
            asked=self._asked("the project"),
        )
        return Project(
            id=body.id,
            name=body.name,
            timezone=body.timezone,
            retention_months=body.event_retention_months,
            is_retention_enforced=body.events_retention_enforced,
        )

    def key_scopes(self) -> tuple[str, ...]:
        """The scopes of the API key, `*` for all; wants none itself. Errors as for `query`."""
        body = self._exchange.request(
            "GET",
            "/api/personal_api_keys/@current/",
            read=functools.partial(results.parsed, results.KeyBody),
            asked=self._asked("the scopes of the API key"),
        )
        return tuple(body.scopes or ["*"])

    def call(
        self,
        method: str,
        path: str,
        *,
        shape: type[T],
        name: str,
        scope: str,
        body: Mapping[str, object] | Upload | None = None,
        parameters: Mapping[str, str | int] | None = None,
        thing: str = "",
        is_repeatable: bool = True,
        deadline_seconds: float | None = None,
    ) -> T:
        """Ask one of the project's other endpoints; errors as for `query`.

        Args:
            method: HTTP method.
            path: after the project's own, with its last slash (`cohorts/12/`).
            shape: what to read of a good answer's JSON; None where it has none.
            name: what it is for, in errors. No personal data.
            scope: what the key needs, as the advice to a rejected key names it.
            body: sent as JSON, or as a form with a file.
            parameters: of the address; they may be personal data and are in no error.
            thing: what a 404 says is missing (`cohort 12`); it becomes `ObjectNotFound`.
            is_repeatable: whether doing it twice is doing it once, see `Exchange.request`.
            deadline_seconds: instead of the client's own.
        """
        query = f"?{httpx.QueryParams(dict(parameters))}" if parameters else ""
        return self._exchange.request(
            method,
            f"/api/projects/{self.project_id}/{path}{query}",
            read=functools.partial(results.parsed, shape),
            asked=dataclasses.replace(self._asked(name), thing=thing, scope=scope),
            body=body,
            is_repeatable=is_repeatable,
            deadline_seconds=deadline_seconds,
        )

    def redirect(
        self,
        path: str,
        *,
        name: str,
        scope: str,
        thing: str = "",
        deadline_seconds: float | None = None,
    ) -> SecretStr:
        """Where one of the project's other endpoints sends us; not followed. Arguments as for `call`."""
        return self._exchange.request(
            "GET",
            f"/api/projects/{self.project_id}/{path}",
            read=results.redirect_target,
            asked=dataclasses.replace(self._asked(name), thing=thing, scope=scope),
            deadline_seconds=deadline_seconds,
        )

    def close(self) -> None:
        """Close all connections; the object cannot be used afterwards."""
        self._exchange.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"PostHog(host={self.host!r}, project_id={self.project_id!r})"

    def _asked(self, name: str, *, is_query: bool = False) -> Asked:
        return Asked(
            name=name,
            host=self.host,
            project_id=self.project_id,
            key_prefix=self._key_prefix,
            is_query=is_query,
        )
