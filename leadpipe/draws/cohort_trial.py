"""Try the filters of a draw's cohort on sample people, and leave nothing of it behind."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from leadpipe.draws.cohort import eligibility_filters
from leadpipe.errors import PostHogUnavailable
from leadpipe.posthog import PostHog
from leadpipe.posthog.capture import Capture, event_uuid, set_event
from leadpipe.posthog.cohort_filters import all_of, person_filter
from leadpipe.posthog.cohort_members import cohort_persons
from leadpipe.posthog.cohorts import create_cohort, delete_cohort, wait_until_calculated
from leadpipe.posthog.persons import delete_person, person_of

_FIRST_POLL_SECONDS, _LONGEST_POLL_SECONDS = 0.25, 5.0


@dataclass(frozen=True)
class TrialReport:
    """A try with sample people: how many there were, who should have been members, who was."""

    people: int
    expected: frozenset[str]
    members: frozenset[str]

    @property
    def passed(self) -> bool:
        """Whether exactly the eligible sample people were members."""
        return self.expected == self.members


# Sample people of a try, with whether the filters should take them, for a draw of the day given.
def _samples(before: date, draw_date: date) -> Sequence[tuple[dict[str, Any], bool]]:
    return (
        ({"recharge_date": before.isoformat(), "points": 5, "blacklisted": False}, True),
        ({"recharge_date": before.isoformat(), "points": 1}, True),
        ({"recharge_date": before.isoformat(), "points": 0, "blacklisted": False}, False),
        ({"recharge_date": before.isoformat(), "points": 5, "blacklisted": True}, False),
        ({"recharge_date": draw_date.isoformat(), "points": 5, "blacklisted": False}, False),
    )


def try_cohort(
    posthog: PostHog,
    capture: Capture,
    *,
    before: date,
    draw_date: date,
    now: datetime,
    deadline_seconds: float = 120.0,
    sleep: Callable[[float], None] = time.sleep,
) -> TrialReport:
    """Make sample people and a cohort of them with the filters of a draw, compare, remove all of it.

    Args:
        posthog: needs the scopes person:write and cohort:write.
        capture: sends the sample people.
        before: a day on which sample people recharged.
        draw_date: the day after which they had done so too late.
        now: when (UTC).
        deadline_seconds: for the sample people to appear.
        sleep: waits so many seconds.

    Raises:
        PostHogError: PostHog refuses, or the people do not appear. What was made is removed all the same.
    """
    run = uuid.uuid4().hex[:12]
    samples = _samples(before, draw_date)
    names = [f"leadpipe-test-{run}-{number}" for number in range(len(samples))]
    with _removed_at_the_end(posthog, names) as made:
        report = capture.send(
            [
                set_event(
                    event_uuid("test person", name),
                    name,
                    now,
                    set_always={**properties, "leadpipe_test": run},
                )
                for name, (properties, _) in zip(names, samples, strict=True)
            ]
        )
        if report.unsent:
            raise PostHogUnavailable(
                f"PostHog did not take the sample people: {report.reason}",
                request_name="test cohort",
            )
        _wait_for_people(posthog, names, deadline_seconds, sleep)
        cohort = create_cohort(
            posthog,
            f"leadpipe test {run}",
            filters=all_of(
                person_filter("leadpipe_test", "exact", [run]), eligibility_filters(draw_date)
            ),
        )
        made.append(cohort.id)
        wait_until_calculated(posthog, cohort.id, deadline_seconds=deadline_seconds)
        members = frozenset(
            one for person in cohort_persons(posthog, cohort.id) for one in person.distinct_ids
        )
    expected = frozenset(
        name for name, (_, is_eligible) in zip(names, samples, strict=True) if is_eligible
    )
    return TrialReport(len(names), expected, members)


def _wait_for_people(
    posthog: PostHog, names: Sequence[str], deadline_seconds: float, sleep: Callable[[float], None]
) -> None:
    waited, wait = 0.0, _FIRST_POLL_SECONDS
    missing = list(names)
    while missing := [name for name in missing if person_of(posthog, name) is None]:
        if waited >= deadline_seconds:
            raise PostHogUnavailable(
                f"{len(missing)} of {len(names)} sample people did not appear within "
                f"{deadline_seconds:g} s; try again later",
                request_name="test cohort",
            )
        sleep(wait)
        waited, wait = waited + wait, min(wait * 2, _LONGEST_POLL_SECONDS)


@contextmanager
def _removed_at_the_end(posthog: PostHog, names: Sequence[str]) -> Iterator[list[int]]:
    """Remove the cohorts that are added to the list, and the sample people, whatever happened."""
    cohorts: list[int] = []
    try:
        yield cohorts
    finally:
        for cohort_id in cohorts:
            delete_cohort(posthog, cohort_id)
        for name in names:
            if person := person_of(posthog, name):
                delete_person(posthog, person.uuid, with_events=True)
