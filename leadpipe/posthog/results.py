"""Good answers: the shapes of their bodies, and the values that callers get.

Belongs here: what is read of a 200 body. Does not belong here: what any other answer means
(`answers.py`), and what the rows are about.
"""

from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from pydantic import SecretStr

from leadpipe.errors import PostHogRefused, PostHogUnavailable, QueryRejected, QueryTooHeavy
from leadpipe.posthog.answers import (
    Answer,
    Asked,
    fail,
    raise_for_failure,
    shorten,
    speaks_of_weight,
)
from leadpipe.text import mended_json

T = TypeVar("T")

_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True)
class Project:
    """A PostHog project.

    Attributes:
        id: its number.
        name: its name.
        timezone: the zone that naive date literals are read in.
        retention_months: how long its plan shows events; None where PostHog does not say.
        is_retention_enforced: whether older events are hidden; None where PostHog does not say.
    """

    id: int
    name: str
    timezone: str
    retention_months: int | None = None
    is_retention_enforced: bool | None = None


@dataclass(frozen=True)
class QueryResult:
    """The rows of one answer, undecoded.

    Attributes:
        columns: names, in the order of a row's values.
        rows: each the raw JSON bytes of one row's array. They are views into the one body, which
            lives as long as any of them.
        types: ClickHouse types as PostHog prints them, one a column; empty if it sent none.
    """

    columns: tuple[str, ...]
    rows: list[msgspec.Raw] = field(repr=False)
    types: tuple[str, ...]

    def decoded(self) -> list[list[object]]:
        """The rows as Python values; for answers of a few rows."""
        return [msgspec.json.decode(row, type=list[object]) for row in self.rows]


class QueryBody(msgspec.Struct):
    """The parts of a query's 200 body that are read."""

    results: list[msgspec.Raw] | None = None
    columns: list[str] | None = None
    types: list[Any] | None = None
    error: str | None = None


class ProjectBody(msgspec.Struct):
    """The parts of a project that are read; a PostHog that hides nothing yet has no retention."""

    id: int
    name: str
    timezone: str
    event_retention_months: int | None = None
    events_retention_enforced: bool | None = False


class KeyBody(msgspec.Struct):
    """The parts of a personal API key that are read; a key of old without scopes may do all."""

    scopes: list[str] | None = None


def parsed(shape: type[T], answer: Answer, asked: Asked) -> T:
    """The body of a good answer as `shape`.

    Raises:
        PostHogError: the answer is none of the good ones; its class says what follows.
    """
    raise_for_failure(answer, asked)
    try:
        return _decoded(answer.body or b"null", shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PostHogUnavailable(
            f"PostHog's answer to {asked.name!r} ({len(answer.body)} bytes) cannot be read: "
            f"{shorten(str(error))}. It may have been cut on its way.",
            status=answer.status,
            request_name=asked.name,
        ) from None  # the original holds the body


def redirect_target(answer: Answer, asked: Asked) -> SecretStr:
    """Where a good answer sends us; it may be an address that opens a file to whoever has it.

    Raises:
        PostHogError: the answer is no redirect; its class says what follows.
    """
    target = answer.headers.get("location")
    if answer.status in _REDIRECTS and target:
        return SecretStr(target)
    raise_for_failure(answer, asked)
    detail = "The answer names no address: something on the way follows redirects by itself."
    return fail(PostHogRefused, answer, asked, detail)


def _decoded(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError:
        if (mended := mended_json(body)) == body:
            raise
        return msgspec.json.decode(mended, type=shape)


def query_result(answer: Answer, asked: Asked) -> QueryResult:
    """The result of a query; the errors are those of `parsed`."""
    body = parsed(QueryBody, answer, asked)
    if body.error:
        heavy = speaks_of_weight(body.error)
        fail(QueryTooHeavy if heavy else QueryRejected, answer, asked, body.error)
    if body.results is None or body.columns is None:
        fail(PostHogUnavailable, answer, asked, "The answer has no results yet.")
    return QueryResult(
        columns=tuple(body.columns),
        rows=body.results,
        types=tuple(_type_name(column) for column in body.types or ()),
    )


def _type_name(column: object) -> str:
    """PostHog sends `["uuid", "UUID"]` a column; older versions sent the type alone."""
    return str(column[-1]) if isinstance(column, list) and column else str(column)
