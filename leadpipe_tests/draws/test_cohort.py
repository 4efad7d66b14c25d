"""The cohort of a draw date, through PostHog's API: just one, compared, tried out and cleaned up."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from pydantic import SecretStr

from leadpipe.draws import cohort_trial
from leadpipe.draws.cohort import (
    Comparison,
    cohort_name,
    compare,
    eligibility_filters,
    ensure_draw_cohort,
    find_draw_cohort,
    participants_of,
)
from leadpipe.draws.cohort_trial import try_cohort
from leadpipe.errors import CohortNotCalculated, ObjectNotFound, PostHogUnavailable
from leadpipe.posthog.cohort_members import cohort_persons
from leadpipe.posthog.cohorts import cohorts, create_cohort
from leadpipe.posthog.persons import persons
from leadpipe_tests.clocks import NOW
from leadpipe_tests.draws.builders import DAY_BEFORE, DRAW_DATE, give_entries, msisdn
from leadpipe_tests.posthog.builders import client
from leadpipe_tests.posthog_sandbox.cohort_asking import meet

ELIGIBLE = {"recharge_date": "2026-11-20T10:00:00Z", "points": 3}


def people(*numbers):
    """Participants by the distinct id of each, which is the number itself."""
    return {msisdn(number): [msisdn(number)] for number in numbers}


def ensure(posthog, participants, mode="filters"):
    """Ensure the cohort of the draw date."""
    return ensure_draw_cohort(posthog, DRAW_DATE, mode=mode, participants=participants, region="NG")


def members(posthog):
    """The distinct ids in the date's cohort."""
    found = find_draw_cohort(posthog, DRAW_DATE)
    return sorted(one for who in cohort_persons(posthog, found.id) for one in who.distinct_ids)


def names(posthog):
    """The names of all cohorts."""
    return [one.name for one in cohorts(posthog)]


def test_a_filter_cohort_has_the_seeds_conditions(sandbox, posthog):
    """Recharged before the date, points over 0, not blacklisted; with or without the property."""
    meet(
        sandbox,
        {
            msisdn(1): ELIGIBLE,
            msisdn(2): {**ELIGIBLE, "blacklisted": False},
            msisdn(3): {**ELIGIBLE, "blacklisted": True},
            msisdn(4): {**ELIGIBLE, "points": 0},
            msisdn(5): {**ELIGIBLE, "recharge_date": "2026-11-21T08:00:00Z"},
            msisdn(6): {},
        },
    )
    ensured = ensure(posthog, people(1, 2))
    assert (ensured.cohort.name, ensured.cohort.count, ensured.is_new) == (
        "Eligible Participants - 2026-11-21",
        2,
        True,
    )
    assert members(posthog) == [msisdn(1), msisdn(2)]


@pytest.mark.parametrize("mode", ["filters", "static"])
def test_ensuring_again_and_at_once_leaves_one(sandbox, posthog, mode):
    """Run twice at the same time and once more, there is one cohort with the same members."""
    meet(sandbox, {msisdn(1): ELIGIBLE, msisdn(2): ELIGIBLE})

    def one_run(_):
        with client(
            host=sandbox.url, project_id=sandbox.project_id, api_key=SecretStr(sandbox.api_key)
        ) as other:
            return ensure(other, people(1, 2), mode).cohort.id

    with ThreadPoolExecutor(2) as pool:
        ids = set(pool.map(one_run, range(2)))
    again = ensure(posthog, people(1, 2), mode)
    assert ids == {again.cohort.id}
    assert (again.is_new, again.others) == (False, ())
    assert names(posthog) == [cohort_name(DRAW_DATE)]
    assert members(posthog) == [msisdn(1), msisdn(2)]


def test_a_static_cohort_is_exactly_the_list(sandbox, posthog):
    """Whatever the persons' properties say; when somebody no longer takes part, it is made anew."""
    meet(sandbox, {msisdn(1): {}, msisdn(2): ELIGIBLE, msisdn(3): {"blacklisted": True}})
    first = ensure(posthog, people(1, 3), "static")
    assert members(posthog) == [msisdn(1), msisdn(3)]
    grown = ensure(posthog, people(1, 2, 3), "static")
    assert (grown.cohort.id, members(posthog)) == (
        first.cohort.id,
        [msisdn(1), msisdn(2), msisdn(3)],
    )
    shrunk = ensure(posthog, people(2, 3), "static")
    assert shrunk.cohort.id != first.cohort.id
    assert members(posthog) == [msisdn(2), msisdn(3)]
    assert names(posthog) == [cohort_name(DRAW_DATE)]


def test_a_comparison_says_who_differs_masked(sandbox, posthog):
    """Missing and surplus people, with masks; spellings of a number are one person."""
    meet(
        sandbox,
        {"0803 000 0001": ELIGIBLE, msisdn(3): ELIGIBLE, "visitor-7": {**ELIGIBLE, "msisdn": "x"}},
    )
    participants = {"0803 000 0001": ["2348030000001"], "id-2": [msisdn(2)]}
    found = ensure(posthog, participants)
    result = compare(posthog, found.cohort.id, participants, region="NG")
    shown = [who for who, _ in result.examples]
    assert (result.participants, result.members, result.missing, result.surplus) == (2, 3, 1, 2)
    assert not result.is_equal
    assert sorted(shown)[:2] == ["234803****002", "234803****003"]
    assert shown[-1] == "234803****002"
    assert [who.partition(" ")[0] for who in sorted(shown)[2:]] == ["person"]
    participants = {
        "0803 000 0001": ["2348030000001"],
        msisdn(3): [msisdn(3)],
        "visitor-7": [msisdn(8), msisdn(9)],
    }
    assert compare(posthog, found.cohort.id, participants, region="NG") == Comparison(4, 3, 0, 0)


def test_the_comparison_reads_the_list_of_the_warehouse(warehouse):
    """Participants come with the distinct id of their last recharge."""
    give_entries(warehouse, {msisdn(1): 5})
    with warehouse.connect() as connection:
        assert participants_of(connection, DRAW_DATE) == {f"id-{msisdn(1)}": [msisdn(1)]}
        assert participants_of(connection, DAY_BEFORE) == {}


def test_a_date_without_a_cohort_says_what_to_do(posthog):
    """The next step is in the message."""
    with pytest.raises(ObjectNotFound, match="leadpipe draws cohort ensure 2026-11-21"):
        find_draw_cohort(posthog, DRAW_DATE)


def trial(posthog, capture, **options):
    """Try the filters."""
    return try_cohort(posthog, capture, before=DAY_BEFORE, draw_date=DRAW_DATE, now=NOW, **options)


def test_a_trial_takes_the_eligible_and_leaves_nothing(sandbox, posthog, capture):
    """Two of five sample people are members; afterwards there is neither person nor cohort of it."""
    meet(sandbox, {msisdn(1): ELIGIBLE})
    report = trial(posthog, capture)
    assert (report.people, len(report.expected), report.passed) == (5, 2, True)
    assert [who.distinct_ids for who in persons(posthog)] == [(msisdn(1),)]
    assert names(posthog) == []


def test_a_trial_that_fails_leaves_nothing_either(sandbox, posthog, capture, monkeypatch):
    """Whatever goes wrong, cohort and sample people are removed."""

    def never(*_, **__):
        raise CohortNotCalculated("not in time")

    monkeypatch.setattr(cohort_trial, "wait_until_calculated", never)
    with pytest.raises(CohortNotCalculated):
        trial(posthog, capture)
    assert (list(persons(posthog)), names(posthog)) == ([], [])


def test_a_trial_whose_people_do_not_appear_gives_up(posthog, capture, monkeypatch):
    """It waits within its deadline, and says how many were missing."""
    waited: list[float] = []
    monkeypatch.setattr(cohort_trial, "person_of", lambda *_: None)
    with pytest.raises(PostHogUnavailable, match="5 of 5 sample people did not appear within 2 s"):
        trial(posthog, capture, deadline_seconds=2, sleep=waited.append)
    assert 2 <= sum(waited) < 5


def test_wrong_filters_fail_the_trial(sandbox, posthog, capture, monkeypatch):
    """If the filters took others than the eligible, the trial says so."""
    monkeypatch.setattr(
        cohort_trial,
        "eligibility_filters",
        lambda day: eligibility_filters(day + timedelta(days=9)),
    )
    report = trial(posthog, capture)
    assert (len(report.members), len(report.expected), report.passed) == (3, 2, False)


def test_a_cohort_of_the_same_name_by_somebody_else_is_left_alone(sandbox, posthog):
    """The oldest is kept and used, younger ones of others are named and not deleted."""
    meet(sandbox, {msisdn(1): ELIGIBLE})
    made = [
        create_cohort(posthog, cohort_name(DRAW_DATE), filters=eligibility_filters(DRAW_DATE)).id
        for _ in range(2)
    ]
    ensured = ensure(posthog, people(1))
    assert (ensured.cohort.id, ensured.others) == (made[0], (made[1],))
    assert len(names(posthog)) == 2
