"""Cohorts: PostHog's named groups of persons, by a filter or by a list.

Belongs here: making, finding, reading, waiting for and deleting cohorts, whatever they are for.
Does not belong here: making just one of a name (`ensured_cohorts.py`), members
(`cohort_members.py`), conditions (`cohort_filters.py`).

How PostHog treats them: members are calculated after the answer (`is_calculating`); names are not
unique; deleting only hides; a list drops ids that no person has without saying so; a filter with a
key that PostHog does not know is refused.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from leadpipe.errors import CohortNotCalculated
from leadpipe.posthog.client import PostHog
from leadpipe.posthog.distinct_id_csv import csv_of
from leadpipe.posthog.exchange import Upload
from leadpipe.posthog.pages import every_item

_COHORTS_A_PAGE = 100
_FIRST_POLL_SECONDS = 0.25
_LONGEST_POLL_SECONDS = 10.0


@dataclass(frozen=True)
class Cohort:
    """A cohort as PostHog has it now.

    Attributes:
        id: the number in its address.
        name: not unique.
        description: may be empty.
        is_static: by a list, not by a filter.
        is_calculating: `count` and the members are not those of the definition yet.
        count: members by the last calculation; None before the first.
        errors_calculating: failures since the last calculation that went well.
        last_calculation: when that was.
        created_at: None for very old ones.
        is_deleted: hidden from lists; it can still be read by its id.
        filters: the definition as PostHog keeps it; it may add keys of its own.
        last_error: PostHog's words about the last failure, where it has any.
    """

    id: int
    name: str
    description: str = ""
    is_static: bool = False
    is_calculating: bool = False
    count: int | None = None
    errors_calculating: int = 0
    last_calculation: datetime | None = None
    created_at: datetime | None = None
    is_deleted: bool = False
    filters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    last_error: str | None = None


def create_cohort(
    posthog: PostHog, name: str, *, filters: Mapping[str, Any], description: str = ""
) -> Cohort:
    """Make a cohort of the persons who meet a group of conditions (`all_of(…)`).

    Never repeated by itself: after `PostHogUnavailable` it may exist, see `ensure_cohort`.

    Raises:
        PostHogRefused: PostHog does not take the filters; it says which part.
    """
    body = {"name": name, "description": description, "filters": {"properties": dict(filters)}}
    return _created(posthog, {**body, "is_static": False}, name)


def create_static_cohort(
    posthog: PostHog, name: str, distinct_ids: Sequence[str] = (), *, description: str = ""
) -> Cohort:
    """Make a cohort of a list of distinct ids, or an empty one to fill later.

    Ids that no person has are dropped by PostHog without a word: compare `count` after
    `wait_until_calculated`. At most 100,000 ids; add further ones with
    `add_distinct_ids_to_static_cohort`. Never repeated by itself, see `ensure_static_cohort`.

    Raises:
        ConfigurationError: an id that cannot stand in a CSV file, or too many of them.
    """
    if not distinct_ids:
        body = {"name": name, "description": description, "is_static": True}
        return _created(posthog, body, name)
    fields = {"name": name, "description": description, "is_static": "true"}
    return _created(posthog, Upload(fields, "csv", csv_of(distinct_ids)), name)


def update_cohort(
    posthog: PostHog,
    cohort_id: int,
    *,
    filters: Mapping[str, Any] | None = None,
    name: str | None = None,
    description: str | None = None,
) -> Cohort:
    """Change what is given; PostHog calculates a filter cohort again then."""
    body = {"name": name, "description": description}
    changes: dict[str, object] = {key: value for key, value in body.items() if value is not None}
    if filters is not None:
        changes["filters"] = {"properties": dict(filters)}
    return patch_cohort(posthog, cohort_id, changes, f"update of cohort {cohort_id}")


def get_cohort(posthog: PostHog, cohort_id: int) -> Cohort:
    """The cohort as it is now, deleted or not.

    Raises:
        ObjectNotFound: the project has none with that id.
    """
    return _cohort(
        posthog.call(
            "GET",
            f"cohorts/{cohort_id}/",
            shape=_CohortBody,
            name=f"cohort {cohort_id}",
            scope="cohort:read",
            thing=f"cohort {cohort_id}",
        )
    )


def cohorts(posthog: PostHog, *, search: str = "") -> Iterator[Cohort]:
    """All cohorts that are not deleted, newest first.

    Args:
        posthog: the client.
        search: only those whose name contains it; old PostHogs ignore that.
    """
    found = every_item(
        posthog,
        "cohorts/",
        shape=_CohortBody,
        key=lambda body: body.id,
        name="the cohorts",
        scope="cohort:read",
        page_rows=_COHORTS_A_PAGE,
        parameters={"search": search} if search else None,
    )
    return (_cohort(body) for body in found if not body.deleted)


def find_cohorts(posthog: PostHog, name: str) -> tuple[Cohort, ...]:
    """The cohorts of exactly that name, oldest first."""
    named = [cohort for cohort in cohorts(posthog, search=name) if cohort.name == name]
    return tuple(sorted(named, key=lambda cohort: cohort.id))


def wait_until_calculated(
    posthog: PostHog,
    cohort_id: int,
    *,
    deadline_seconds: float = 600.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Cohort:
    """Ask until PostHog has calculated the cohort; waits grow from 0.25 to 10 s.

    Raises:
        CohortNotCalculated: not by the deadline, or the calculation failed.
        ObjectNotFound: the project has no such cohort.
    """
    ends = clock() + deadline_seconds
    wait = _FIRST_POLL_SECONDS
    while (cohort := get_cohort(posthog, cohort_id)).is_calculating:
        left = ends - clock()
        if left <= 0:
            raise CohortNotCalculated(
                f"Cohort {cohort_id} ({cohort.name!r}) was still being calculated after "
                f"{deadline_seconds:g} s. PostHog goes on by itself; look again later.",
                request_name=f"cohort {cohort_id}",
            )
        sleep(min(wait, left))
        wait = min(wait * 2, _LONGEST_POLL_SECONDS)
    if cohort.errors_calculating:
        said = f": {cohort.last_error}" if cohort.last_error else ""
        raise CohortNotCalculated(
            f"PostHog failed to calculate cohort {cohort_id} ({cohort.name!r}), "
            f"{cohort.errors_calculating} time(s) in a row{said}. Open the cohort in PostHog: it "
            "shows the cause and calculates it again when it is saved.",
            request_name=f"cohort {cohort_id}",
        )
    return cohort


def delete_cohort(posthog: PostHog, cohort_id: int) -> None:
    """Hide the cohort; PostHog has no other deletion. Deleting twice changes nothing.

    Raises:
        ObjectNotFound: the project has no such cohort.
        PostHogRefused: a feature flag, insight or other cohort uses it; PostHog says which.
    """
    patch_cohort(posthog, cohort_id, {"deleted": True}, f"deletion of cohort {cohort_id}")


def patch_cohort(
    posthog: PostHog, cohort_id: int, body: Mapping[str, object] | Upload, name: str
) -> Cohort:
    """Send a change of a cohort; `name` says what it is, in errors."""
    return _cohort(
        posthog.call(
            "PATCH",
            f"cohorts/{cohort_id}/",
            shape=_CohortBody,
            name=name,
            scope="cohort:write",
            body=body,
            thing=f"cohort {cohort_id}",
        )
    )


class _CohortBody(msgspec.Struct):
    """The parts of a cohort that are read."""

    id: int
    name: str | None = None
    description: str | None = None
    is_static: bool | None = False
    is_calculating: bool | None = False
    count: int | None = None
    errors_calculating: int | None = 0
    last_calculation: datetime | None = None
    created_at: datetime | None = None
    deleted: bool | None = False
    filters: dict[str, Any] | None = None
    last_error_message: str | None = None


def _cohort(body: _CohortBody) -> Cohort:
    return Cohort(
        id=body.id,
        name=body.name or "",
        description=body.description or "",
        is_static=bool(body.is_static),
        is_calculating=bool(body.is_calculating),
        count=body.count,
        errors_calculating=body.errors_calculating or 0,
        last_calculation=body.last_calculation,
        created_at=body.created_at,
        is_deleted=bool(body.deleted),
        filters=body.filters or {},
        last_error=body.last_error_message,
    )


def _created(posthog: PostHog, body: Mapping[str, object] | Upload, name: str) -> Cohort:
    return _cohort(
        posthog.call(
            "POST",
            "cohorts/",
            shape=_CohortBody,
            name=f"creation of cohort {name!r}",
            scope="cohort:write",
            body=body,
            is_repeatable=False,
        )
    )
