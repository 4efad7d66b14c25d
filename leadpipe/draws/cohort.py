"""The cohort that shows a date's participants in PostHog: ensured, counted, compared, tried out.

Who takes part is decided by `draw_participants` alone. A filter cohort follows what the persons'
properties say at any time; a static one holds exactly the list.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import duckdb

from leadpipe.draws.msisdn import masked, normal_msisdn
from leadpipe.errors import ObjectNotFound
from leadpipe.posthog import PostHog
from leadpipe.posthog.cohort_filters import all_of, person_filter
from leadpipe.posthog.cohort_members import add_distinct_ids_to_static_cohort, cohort_persons
from leadpipe.posthog.cohorts import (
    Cohort,
    cohorts,
    delete_cohort,
    find_cohorts,
    wait_until_calculated,
)
from leadpipe.posthog.ensured_cohorts import ensure_cohort, ensure_static_cohort
from leadpipe.posthog.persons import Person

CohortMode = Literal["filters", "static"]
Participants = Mapping[str, Sequence[str]]
"""MSISDNs by distinct id: mostly one, but one person may have recharged several numbers."""
_MOST_SHOWN = 20
_NAME = "Eligible Participants - "
_FIRST_POLL_SECONDS, _LONGEST_POLL_SECONDS = 0.25, 5.0


@dataclass(frozen=True)
class Comparison:
    """Members and participants side by side; those that differ are masked, the first 20 of each.

    Args:
        participants: how many take part.
        members: how many persons the cohort has.
        missing: how many participants are no member.
        surplus: how many members do not take part.
        examples: who, as people may see them, with what is wrong.
    """

    participants: int
    members: int
    missing: int
    surplus: int
    examples: tuple[tuple[str, str], ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether exactly the participants are members."""
        return not (self.missing or self.surplus)


@dataclass(frozen=True)
class EnsuredDrawCohort:
    """A date's cohort after it was ensured and calculated."""

    cohort: Cohort
    is_new: bool
    others: tuple[int, ...]


def cohort_name(draw_date: date) -> str:
    """What the cohort of a draw date is called."""
    return f"{_NAME}{draw_date}"


def eligibility_filters(draw_date: date) -> dict[str, Any]:
    """The conditions on persons: recharged before the date, points over 0, not blacklisted."""
    return all_of(
        person_filter("recharge_date", "is_date_before", draw_date.isoformat()),
        person_filter("points", "gt", 0),
        person_filter("blacklisted", "is_not", ["true"]),
    )


def participants_of(connection: duckdb.DuckDBPyConnection, draw_date: date) -> Participants:
    """Who takes part, by the distinct id of their last recharge."""
    return dict(
        connection.execute(
            "SELECT distinct_id, list(msisdn ORDER BY msisdn) FROM draw_participants "
            "WHERE draw_date = ? GROUP BY distinct_id ORDER BY min(msisdn)",
            [draw_date],
        ).fetchall()
    )


def ensure_draw_cohort(
    posthog: PostHog,
    draw_date: date,
    *,
    mode: CohortMode,
    participants: Participants,
    region: str,
) -> EnsuredDrawCohort:
    """Have exactly one cohort of the date's name, calculated; doing it again changes nothing.

    A static cohort that has people who do not take part (any more) is made anew.

    Raises:
        PostHogError: PostHog refuses, or is not done in time.
    """
    name = cohort_name(draw_date)
    description = f"Made by leadpipe ({mode}). Who takes part in the draw of {draw_date}."
    if mode == "filters":
        ensured = ensure_cohort(
            posthog, name, filters=eligibility_filters(draw_date), description=description
        )
        cohort = wait_until_calculated(posthog, ensured.cohort.id)
        return EnsuredDrawCohort(cohort, ensured.is_new, ensured.others)
    ensured = ensure_static_cohort(posthog, name, description=description)
    if not ensured.is_new:
        difference = compare(posthog, ensured.cohort.id, participants, region=region)
        if difference.is_equal:
            return EnsuredDrawCohort(ensured.cohort, is_new=False, others=ensured.others)
        if difference.surplus:
            delete_cohort(posthog, ensured.cohort.id)
            ensured = ensure_static_cohort(posthog, name, description=description)
    cohort = add_distinct_ids_to_static_cohort(posthog, ensured.cohort.id, participants)
    return EnsuredDrawCohort(cohort, ensured.is_new, ensured.others)


def draw_cohorts(posthog: PostHog) -> list[tuple[date, Cohort]]:
    """All cohorts of draw dates with their date, the latest first; of one date the oldest first."""
    found: list[tuple[date, Cohort]] = []
    for cohort in cohorts(posthog, search=_NAME):
        try:
            found.append((date.fromisoformat(cohort.name.removeprefix(_NAME)), cohort))
        except ValueError:  # somebody's own, of a like name
            continue
    return sorted(found, key=lambda one: (one[0], -one[1].id), reverse=True)


def find_draw_cohort(posthog: PostHog, draw_date: date) -> Cohort:
    """The date's cohort, of whatever mode; the oldest if there are several.

    Raises:
        ObjectNotFound: there is none.
    """
    found = find_cohorts(posthog, cohort_name(draw_date))
    if not found:
        raise ObjectNotFound(
            f"PostHog has no cohort {cohort_name(draw_date)!r}; make it: "
            f"leadpipe draws cohort ensure {draw_date}"
        )
    return found[0]


def compare(
    posthog: PostHog, cohort_id: int, participants: Participants, *, region: str
) -> Comparison:
    """Who is in the cohort but does not take part, and the other way round.

    A person is a participant if one of their distinct ids is, or is the same number in any spelling.
    """
    msisdns = {msisdn for numbers in participants.values() for msisdn in numbers}
    missing = set(msisdns)
    members = surplus = 0
    examples: list[tuple[str, str]] = []
    for person in cohort_persons(posthog, cohort_id):
        members += 1
        found = {
            msisdn for msisdn in _numbers_of(person, participants, region) if msisdn in msisdns
        }
        missing -= found
        if not found:
            surplus += 1
            if len(examples) < _MOST_SHOWN:
                examples.append((_shown(person, region), "in the cohort, but does not take part"))
    examples += [
        (masked(msisdn), "takes part, but is not in the cohort")
        for msisdn in sorted(missing)[:_MOST_SHOWN]
    ]
    return Comparison(len(msisdns), members, len(missing), surplus, tuple(examples))


def _numbers_of(person: Person, participants: Participants, region: str) -> Iterator[str]:
    for spelling in (*person.distinct_ids, person.properties.get("msisdn")):
        if spelling is None:
            continue
        if known := participants.get(str(spelling)):
            yield from known
        elif number := normal_msisdn(str(spelling), region=region):
            yield number


def _shown(person: Person, region: str) -> str:
    numbers = sorted(_numbers_of(person, {}, region))
    return masked(numbers[0]) if numbers else f"person {person.uuid}"
