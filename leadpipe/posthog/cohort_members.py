"""Who is in a cohort: reading the members, and adding to a list.

Belongs here: members of cohorts that exist. Does not belong here: the cohorts (`cohorts.py`), and
which persons should be in one.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from uuid import UUID

import msgspec

from leadpipe.posthog.client import PostHog
from leadpipe.posthog.cohorts import Cohort, get_cohort, patch_cohort, wait_until_calculated
from leadpipe.posthog.distinct_id_csv import DISTINCT_IDS_AN_UPLOAD, csv_of
from leadpipe.posthog.exchange import Upload
from leadpipe.posthog.pages import every_item
from leadpipe.posthog.persons import Person, PersonBody

PERSONS_A_CALL = 1_000
"""Person UUIDs that one call may add to a static cohort; PostHog refuses more."""

_PERSONS_A_PAGE = 1_000
_DISTINCT_IDS_A_QUERY = 50_000


def cohort_persons(posthog: PostHog, cohort_id: int) -> Iterator[Person]:
    """The members, each once; of a person's distinct ids PostHog gives the first ten here.

    Wants the scopes cohort:read and person:read. A thousand persons a request, and PostHog allows
    480 requests a minute: a million members take minutes.

    Raises:
        ObjectNotFound: the project has no such cohort.
    """
    found = every_item(
        posthog,
        f"cohorts/{cohort_id}/persons/",
        shape=PersonBody,
        key=lambda body: body.uuid,
        name=f"persons of cohort {cohort_id}",
        scope="cohort:read and person:read",
        page_rows=_PERSONS_A_PAGE,
        thing=f"cohort {cohort_id}",
    )
    return (body.person() for body in found)


def cohort_distinct_ids(posthog: PostHog, cohort: Cohort) -> Iterator[str]:
    """Every distinct id of every member, sorted, 50,000 a query; wants only query:read.

    Unlike `cohort_persons` it leaves none out and is quick with many, but PostHog may find it too
    heavy in a project of many millions of persons.

    Raises:
        QueryTooHeavy: read `cohort_persons` instead.
    """
    last = ""
    while True:
        table = "static_cohort_people" if cohort.is_static else "cohort_people"
        found = posthog.query(
            "SELECT DISTINCT distinct_id FROM person_distinct_ids WHERE distinct_id > {last} "
            f"AND person_id IN (SELECT person_id FROM {table} WHERE cohort_id = {cohort.id:d}) "
            f"ORDER BY distinct_id LIMIT {_DISTINCT_IDS_A_QUERY}",
            values={"last": last},
            name=f"leadpipe: distinct ids of cohort {cohort.id}",
        ).decoded()
        for (distinct_id,) in found:
            last = str(distinct_id)
            yield last
        if len(found) < _DISTINCT_IDS_A_QUERY:
            return


def add_distinct_ids_to_static_cohort(
    posthog: PostHog,
    cohort_id: int,
    distinct_ids: Iterable[str],
    *,
    deadline_seconds: float = 600.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Cohort:
    """Add any number of distinct ids, 100,000 an upload, waiting until PostHog has taken each.

    Adding an id twice changes nothing, so a call that broke off is simply made again.

    Args:
        posthog: the client.
        cohort_id: of a static cohort.
        distinct_ids: unknown ones are dropped by PostHog without a word.
        deadline_seconds: for PostHog to take one upload.
        clock: monotonic seconds.
        sleep: waits so many seconds.

    Raises:
        ConfigurationError: an id that cannot stand in a CSV file.
        CohortNotCalculated: PostHog had not taken an upload in time.
    """
    waiting = iter(distinct_ids)
    cohort = get_cohort(posthog, cohort_id)
    while chunk := list(islice(waiting, DISTINCT_IDS_AN_UPLOAD)):
        upload = Upload({}, "csv", csv_of(chunk))
        patch_cohort(posthog, cohort_id, upload, f"distinct ids for cohort {cohort_id}")
        cohort = wait_until_calculated(
            posthog, cohort_id, deadline_seconds=deadline_seconds, clock=clock, sleep=sleep
        )
    return cohort


def add_persons_to_static_cohort(
    posthog: PostHog, cohort_id: int, person_uuids: Iterable[UUID | str]
) -> None:
    """Add persons by their UUIDs, a thousand a call; adding one twice changes nothing.

    Unknown ones are dropped by PostHog without a word, but a call of unknown ones only is refused.
    """
    waiting = iter(person_uuids)
    while chunk := [str(one) for one in islice(waiting, PERSONS_A_CALL)]:
        posthog.call(
            "PATCH",
            f"cohorts/{cohort_id}/add_persons_to_static_cohort/",
            shape=msgspec.Raw,
            name=f"persons for cohort {cohort_id}",
            scope="cohort:write",
            body={"person_ids": chunk},
            thing=f"cohort {cohort_id}",
        )
