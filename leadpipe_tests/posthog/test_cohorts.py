"""Cohorts and persons through the client, against the sandbox over HTTP."""

import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from leadpipe.errors import (
    CohortNotCalculated,
    ConfigurationError,
    KeyRejected,
    ObjectNotFound,
    PostHogRefused,
    PostHogUnavailable,
    ProjectNotFound,
    ScopeMissing,
)
from leadpipe.posthog import PostHog, cohort_members
from leadpipe.posthog.cohort_filters import all_of, any_of, person_filter
from leadpipe.posthog.cohort_members import (
    add_distinct_ids_to_static_cohort,
    add_persons_to_static_cohort,
    cohort_distinct_ids,
    cohort_persons,
)
from leadpipe.posthog.cohorts import (
    Cohort,
    cohorts,
    create_cohort,
    create_static_cohort,
    delete_cohort,
    find_cohorts,
    get_cohort,
    update_cohort,
    wait_until_calculated,
)
from leadpipe.posthog.ensured_cohorts import ensure_cohort, ensure_static_cohort
from leadpipe.posthog.persons import delete_person, person_of, persons
from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog.builders import FakeClock, Script, bad, client
from leadpipe_tests.posthog_sandbox.cohort_asking import meet
from posthog_sandbox.process import SandboxProcess

NAME = "Eligible Participants - 2026-11-21"
ELIGIBLE = all_of(
    person_filter("recharge_date", "is_date_before", "2026-11-21"),
    person_filter("points", "gt", 0),
    person_filter("blacklisted", "is_not", "true"),
)
PEOPLE: dict[str, dict[str, Any]] = {
    "2348035550001": {"recharge_date": "2026-11-20T22:00:00Z", "points": 5},
    "2348035550002": {"recharge_date": "2026-11-21T01:00:00Z", "points": 5},
    "2348035550003": {"recharge_date": "2026-11-01", "points": 2, "blacklisted": True},
    "2348035550004": {"recharge_date": "2026-11-01", "points": 1},
}


@pytest.fixture
def posthog(sandbox: SandboxProcess) -> Iterator[PostHog]:
    """A client of the empty sandbox."""
    with connected(sandbox) as found:
        yield found


def connected(sandbox: SandboxProcess) -> PostHog:
    """A client whose waits take no time."""
    return client(host=sandbox.url, project_id="1", api_key=SecretStr(sandbox.api_key))


def ids_of(posthog: PostHog, cohort: Cohort) -> list[str]:
    """The members' distinct ids, sorted."""
    return sorted(one for who in cohort_persons(posthog, cohort.id) for one in who.distinct_ids)


def test_a_filter_cohort_from_its_making_to_its_end(sandbox, posthog):
    """Made, calculated, read, changed, hidden: each step as PostHog has it."""
    meet(sandbox, PEOPLE)
    made = create_cohort(posthog, NAME, filters=ELIGIBLE, description="for the draw")
    assert (made.is_calculating, made.count) == (True, None)
    done = wait_until_calculated(posthog, made.id)
    assert done == Cohort(
        id=made.id,
        name=NAME,
        description="for the draw",
        count=2,
        created_at=NOW,
        last_calculation=done.last_calculation,
        filters=done.filters,
    )
    assert isinstance(done.last_calculation, datetime)
    assert ids_of(posthog, done) == ["2348035550001", "2348035550004"]
    assert list(cohort_distinct_ids(posthog, done)) == ["2348035550001", "2348035550004"]
    changed = update_cohort(posthog, made.id, filters=any_of(person_filter("points", "is_set")))
    assert wait_until_calculated(posthog, changed.id).count == 4
    delete_cohort(posthog, made.id)
    delete_cohort(posthog, made.id)
    assert list(cohorts(posthog)) == []
    assert get_cohort(posthog, made.id).is_deleted


def test_a_static_cohort_has_exactly_the_persons_there_are(sandbox, posthog):
    """Unknown ids are dropped; more are added by file and by UUID, each once."""
    meet(sandbox, PEOPLE)
    first, second, third, _ = PEOPLE
    made = create_static_cohort(posthog, NAME, [first, "nobody", "with, comma"])
    assert wait_until_calculated(posthog, made.id).count == 1
    more = add_distinct_ids_to_static_cohort(posthog, made.id, [first, second, "nobody"])
    assert (more.count, more.is_static) == (2, True)
    uuids = [found.uuid for one in (third, second) if (found := person_of(posthog, one))]
    add_persons_to_static_cohort(posthog, made.id, uuids)
    assert ids_of(posthog, made) == [first, second, third]
    assert list(cohort_distinct_ids(posthog, get_cohort(posthog, made.id))) == [
        first,
        second,
        third,
    ]


def test_long_lists_go_in_several_uploads(sandbox, posthog, monkeypatch):
    """Each upload is taken before the next one is sent; the same for a thousand UUIDs."""
    meet(sandbox, PEOPLE)
    monkeypatch.setattr(cohort_members, "DISTINCT_IDS_AN_UPLOAD", 3)
    monkeypatch.setattr(cohort_members, "PERSONS_A_CALL", 3)
    cohort = ensure_static_cohort(posthog, NAME).cohort
    assert add_distinct_ids_to_static_cohort(posthog, cohort.id, list(PEOPLE)).count == 4
    everybody = [one.uuid for one in persons(posthog)]
    add_persons_to_static_cohort(posthog, cohort.id, everybody)
    assert get_cohort(posthog, cohort.id).count == 4


def test_every_page_is_read(sandbox, posthog, monkeypatch):
    """Cohorts, persons, members and their distinct ids, however many pages there are."""
    meet(sandbox, PEOPLE)
    everybody = sorted(PEOPLE)
    monkeypatch.setattr("leadpipe.posthog.cohorts._COHORTS_A_PAGE", 2)
    for module in ("cohort_members", "persons"):
        monkeypatch.setattr(f"leadpipe.posthog.{module}._PERSONS_A_PAGE", 2)
    monkeypatch.setattr(cohort_members, "_DISTINCT_IDS_A_QUERY", 2)
    made = [create_static_cohort(posthog, f"Cohort {number}") for number in range(5)]
    assert [one.id for one in cohorts(posthog)] == [one.id for one in reversed(made)]
    assert [one.name for one in cohorts(posthog, search="ort 3")] == ["Cohort 3"]
    assert sorted(one for who in persons(posthog) for one in who.distinct_ids) == everybody
    filled = add_distinct_ids_to_static_cohort(posthog, made[0].id, everybody)
    assert ids_of(posthog, filled) == everybody
    assert list(cohort_distinct_ids(posthog, filled)) == everybody


def test_a_cohort_that_takes_too_long_is_told(sandbox, posthog):
    """Waits grow up to the deadline; the message says that PostHog goes on."""
    sandbox.control.cohort_calculation(60)
    made = create_cohort(posthog, NAME, filters=ELIGIBLE)
    clock = FakeClock()
    with pytest.raises(CohortNotCalculated, match="still being calculated after 3 s"):
        wait_until_calculated(posthog, made.id, deadline_seconds=3, clock=clock, sleep=clock.sleep)
    assert clock.sleeps == [0.25, 0.5, 1.0, 1.25]


def test_a_calculation_that_failed_is_told(sandbox, posthog):
    """With PostHog's own words."""
    sandbox.control.cohort_calculation(failures=1)
    made = create_cohort(posthog, NAME, filters=ELIGIBLE)
    with pytest.raises(CohortNotCalculated, match=r"1 time\(s\) in a row: The calculation"):
        wait_until_calculated(posthog, made.id)


def test_ensuring_twice_makes_one(sandbox, posthog):
    """The second call finds what the first one made; kinds are told apart."""
    first = ensure_cohort(posthog, NAME, filters=ELIGIBLE)
    second = ensure_cohort(posthog, NAME, filters=ELIGIBLE)
    assert (first.is_new, second.is_new) == (True, False)
    assert second.cohort.id == first.cohort.id
    assert ensure_static_cohort(posthog, NAME).is_new
    assert [one.is_static for one in find_cohorts(posthog, NAME)] == [False, True]


def test_ensuring_at_once_leaves_one(sandbox):
    """Runs that made one each at the same time all return the oldest, the only one left."""
    runs = 4
    at_once, found = threading.Barrier(runs), []

    def run() -> None:
        with connected(sandbox) as posthog:
            at_once.wait(10)
            found.append(ensure_cohort(posthog, NAME, filters=ELIGIBLE))

    threads = [threading.Thread(target=run) for _ in range(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with connected(sandbox) as posthog:
        (left,) = find_cohorts(posthog, NAME)
    assert [one.cohort.id for one in found] == [left.id] * runs
    assert [one.is_new for one in found].count(True) <= 1


def test_a_cohort_made_between_the_looks_is_kept(sandbox, posthog, monkeypatch):
    """Whoever comes second deletes its own and keeps the older one."""
    older: list[Cohort] = []
    real = create_cohort

    def overtaken(posthog: PostHog, name: str, **options: Any) -> Cohort:
        older.append(real(posthog, name, **options))
        return real(posthog, name, **options)

    monkeypatch.setattr("leadpipe.posthog.ensured_cohorts.create_cohort", overtaken)
    ensured = ensure_cohort(posthog, NAME, filters=ELIGIBLE)
    assert (ensured.cohort.id, ensured.is_new, ensured.others) == (older[0].id, False, ())
    assert [one.id for one in find_cohorts(posthog, NAME)] == [older[0].id]


def test_cohorts_of_the_same_name_by_hand_are_left_alone(sandbox, posthog):
    """The oldest is used, the others are named."""
    made = [create_cohort(posthog, NAME, filters=ELIGIBLE) for _ in range(2)]
    ensured = ensure_cohort(posthog, NAME, filters=ELIGIBLE)
    assert (ensured.cohort.id, ensured.others) == (made[0].id, (made[1].id,))
    assert len(find_cohorts(posthog, NAME)) == 2


@pytest.mark.parametrize("fault", ["cut_body", "server_error_500", "reset"])
def test_a_creation_whose_answer_is_lost_is_not_repeated_blindly(sandbox, posthog, fault):
    """It is asked once; then one looks, finds the cohort or says so, and never makes two."""
    sandbox.control.fault(fault, match="cohorts", after=1)
    try:
        ensure_cohort(posthog, NAME, filters=ELIGIBLE)
    except PostHogUnavailable as error:
        assert "it was not asked twice" in str(error)  # noqa: PT017
    assert len(find_cohorts(posthog, NAME)) == (1 if fault == "cut_body" else 0)
    assert ensure_cohort(posthog, NAME, filters=ELIGIBLE).cohort.name == NAME
    assert len(find_cohorts(posthog, NAME)) == 1


def test_a_creation_is_repeated_when_posthog_says_that_it_did_nothing(sandbox, posthog):
    """429 is no lost answer."""
    sandbox.control.fault("rate_limit", match="cohorts", seconds=1)
    assert create_cohort(posthog, NAME, filters=ELIGIBLE).name == NAME


def test_a_cohort_that_is_not_there_is_named(sandbox, posthog):
    """404 about a cohort is not one about the project."""
    with pytest.raises(ObjectNotFound, match=r"Project 1 on http\S+ has no cohort 99"):
        get_cohort(posthog, 99)
    with pytest.raises(ObjectNotFound, match="no cohort 99"):
        list(cohort_persons(posthog, 99))
    with (
        client(host=sandbox.url, project_id="2", api_key=SecretStr(sandbox.api_key)) as other,
        pytest.raises(ProjectNotFound, match="Project 2 on"),
    ):
        get_cohort(other, 99)


def test_filters_that_posthog_refuses_are_told_in_its_words(sandbox, posthog):
    """No cohort is made."""
    with pytest.raises(PostHogRefused, match=r"got 400 invalid_input.*'extra_forbidden'"):
        create_cohort(posthog, NAME, filters=all_of({**person_filter("a", "is_set"), "b": 1}))
    assert list(cohorts(posthog)) == []


def test_the_missing_scope_is_named(sandbox, posthog):
    """Reading members wants two scopes, each said when it is missing."""
    made = create_static_cohort(posthog, NAME)
    for scopes, wanted in (
        (["query:read"], "cohort:read"),
        (["cohort:read"], "person:read"),
    ):
        sandbox.control.scopes(*scopes)
        with pytest.raises(ScopeMissing, match=f"lacks the scope {wanted}: add it"):
            list(cohort_persons(posthog, made.id))
    with pytest.raises(ScopeMissing, match="cohort:write"):
        delete_cohort(posthog, made.id)


def test_a_rejected_key_is_told_which_scope_it_needs():
    """Not the one of queries."""
    with client(Script(bad(401))) as posthog, pytest.raises(KeyRejected) as caught:
        create_static_cohort(posthog, NAME)
    assert "Personal API keys with the scope cohort:write." in str(caught.value)


@pytest.mark.parametrize("wrong", ["", "a\nb", " a", "a\u2028b", "email", "person_id"])
def test_ids_that_a_file_would_spoil_are_refused_before_anything_is_sent(wrong):
    """The number of the id is told, not the id."""
    script = Script(bad(500))
    ids = [wrong, "2348035550001"]
    with client(script) as posthog, pytest.raises(ConfigurationError) as caught:
        create_static_cohort(posthog, NAME, ids)
    assert str(caught.value).startswith("Distinct id number 1 of 2 cannot be sent to a cohort")
    assert script.requests == []


def test_too_many_ids_for_one_upload_are_refused():
    """Further ones are added to the cohort afterwards."""
    with client(Script(bad(500))) as posthog, pytest.raises(ConfigurationError, match="100,001"):
        create_static_cohort(posthog, NAME, ["a"] * 100_001)


def test_pages_that_go_in_circles_end():
    """A server that always says there is more does not hold us for ever."""
    page = {"results": [{"id": 1, "name": "a"}], "next": "http://x/"}
    script = Script(httpx.Response(200, json=page))
    with client(script) as posthog, pytest.raises(PostHogUnavailable, match="nothing new"):
        list(cohorts(posthog))
    assert len(script.requests) == 2


def test_an_item_of_another_shape_is_told_without_its_content():
    """The name of the request, not the person."""
    item = {"uuid": "x", "distinct_ids": ["2348035550001"]}
    script = Script(httpx.Response(200, json={"results": [item], "next": None}))
    with client(script) as posthog, pytest.raises(PostHogUnavailable) as caught:
        list(persons(posthog))
    assert "'the persons' cannot be read: Invalid UUID" in str(caught.value)
    assert "2348035550001" not in str(caught.value)


def test_a_person_is_found_and_deleted(sandbox, posthog):
    """By distinct id; deleting twice is no error; nothing personal is in a repr."""
    meet(sandbox, PEOPLE)
    distinct_id = "2348035550001"
    found = person_of(posthog, distinct_id)
    assert found is not None
    assert (found.distinct_ids, found.properties) == ((distinct_id,), PEOPLE[distinct_id])
    assert repr(found) == f"Person(uuid={found.uuid!r}, created_at={found.created_at!r})"
    assert delete_person(posthog, found.uuid, with_events=True)
    assert not delete_person(posthog, found.uuid)
    assert person_of(posthog, distinct_id) is None
    assert len(list(persons(posthog))) == 3


def test_errors_about_persons_do_not_show_who(sandbox, posthog):
    """A distinct id is asked for in the address, which no error repeats."""
    sandbox.control.fault("server_error_500", times=-1, match="persons")
    with pytest.raises(PostHogUnavailable) as caught:
        person_of(posthog, "2348035550001")
    assert "2348035550001" not in str(caught.value)


def test_a_page_without_results_is_an_end():
    """PostHog says "next" for a full page even if the following one is empty."""
    items = [{"id": 1, "name": "a"}]
    script = Script(
        httpx.Response(200, json={"results": items, "next": "http://x/"}),
        httpx.Response(200, json={"results": [], "next": None}),
    )
    with client(script) as posthog:
        assert [one.id for one in cohorts(posthog)] == [1]
    assert [request.url.params["offset"] for request in script.requests] == ["0", "1"]
