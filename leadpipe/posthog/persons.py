"""Persons: who PostHog thinks is behind its distinct ids.

Belongs here: finding, reading and deleting persons. Does not belong here: setting their properties,
which only capture does (`capture.py`, `set_event`), and cohorts (`cohorts.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from leadpipe.errors import ObjectNotFound
from leadpipe.posthog.client import PostHog
from leadpipe.posthog.pages import every_item

_PERSONS_A_PAGE = 1_000


@dataclass(frozen=True)
class Person:
    """A person as PostHog has them now; persons merge, so the UUID of a distinct id can change.

    Attributes:
        uuid: PostHog's own id of the person.
        distinct_ids: the ids that events came under; personal data, in no repr.
        properties: as `$set` and `$set_once` left them; personal data, in no repr.
        created_at: when PostHog first saw them.
    """

    uuid: UUID
    distinct_ids: tuple[str, ...] = field(repr=False)
    properties: Mapping[str, Any] = field(repr=False)
    created_at: datetime | None = None


class PersonBody(msgspec.Struct):
    """The parts of a person that are read; `id` is the same UUID, or a number in old versions."""

    uuid: UUID
    distinct_ids: list[str]
    properties: dict[str, Any] | None = None
    created_at: datetime | None = None

    def person(self) -> Person:
        """The value that callers get."""
        return Person(self.uuid, tuple(self.distinct_ids), self.properties or {}, self.created_at)


def persons(posthog: PostHog, *, search: str = "") -> Iterator[Person]:
    """All persons, newest first, each once; wants the scope person:read.

    Args:
        posthog: the client.
        search: only those with exactly that distinct id, or whose email or name contains it.
    """
    return _listed(posthog, {"search": search} if search else {}, name="the persons")


def person_of(posthog: PostHog, distinct_id: str) -> Person | None:
    """The person behind a distinct id; None if no event of theirs has arrived (yet)."""
    found = _listed(posthog, {"distinct_id": distinct_id}, name="the person of a distinct id")
    return next(found, None)


def delete_person(posthog: PostHog, uuid: UUID, *, with_events: bool = False) -> bool:
    """Delete a person; False if there is none with that UUID (any more). Wants person:write.

    PostHog does not give the distinct ids of a deleted person to a new one reliably: do not use
    them again. Events go later, at a quiet hour of PostHog's, and only if asked for.
    """
    try:
        posthog.call(
            "DELETE",
            f"persons/{uuid}/",
            shape=msgspec.Raw,
            name="deletion of a person",
            scope="person:write",
            parameters={"delete_events": "true"} if with_events else None,
            thing=f"person {uuid}",
        )
    except ObjectNotFound:
        return False
    return True


def _listed(posthog: PostHog, parameters: Mapping[str, str], *, name: str) -> Iterator[Person]:
    found = every_item(
        posthog,
        "persons/",
        shape=PersonBody,
        key=lambda body: body.uuid,
        name=name,
        scope="person:read",
        page_rows=_PERSONS_A_PAGE,
        parameters=parameters,
    )
    return (body.person() for body in found)
