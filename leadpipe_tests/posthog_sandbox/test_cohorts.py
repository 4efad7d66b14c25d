"""Cohorts of the sandbox: PostHog's shapes, its refusals, and what it does in silence."""

from datetime import timedelta
from typing import Any

import pytest

from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog_sandbox.asking import HTTP, TOKEN, refusal, rows, send
from leadpipe_tests.posthog_sandbox.cohort_asking import (
    call,
    filters,
    made,
    meet,
    members,
    now,
    person,
)
from posthog_sandbox.process import SandboxProcess

PEOPLE: dict[str, dict[str, Any]] = {
    "early": {"recharge_date": "2026-11-19T09:00:00Z", "points": 5},
    "edge": {"recharge_date": "2026-11-20T00:00:00Z", "points": 5},
    "late": {"recharge_date": "2026-11-20T09:00:00Z", "points": 5},
    "poor": {"recharge_date": "2026-11-01", "points": 0},
    "text": {"recharge_date": "2026-11-01", "points": "12"},
    "black": {"recharge_date": "2026-11-01", "points": 9, "blacklisted": True},
    "white": {"recharge_date": "2026-11-01", "points": 9, "blacklisted": False},
    "blank": {},
}
ELIGIBLE = filters(
    person("recharge_date", "is_date_before", "2026-11-20"),
    person("points", "gt", 0),
    person("blacklisted", "is_not", "true"),
)


def test_a_filter_cohort_is_calculated_after_the_answer(sandbox: SandboxProcess) -> None:
    """It is calculating first, without a count; then count and members are there."""
    sandbox.control.cohort_calculation(0.3)
    meet(sandbox, PEOPLE)
    cohort = made(sandbox, "Eligible", filters=ELIGIBLE, description="for tests")
    shown = ("name", "description", "is_static", "is_calculating", "count", "deleted")
    assert [cohort[key] for key in shown] == ["Eligible", "for tests", False, True, None, False]
    assert now(sandbox, cohort)["is_calculating"] is True
    assert members(sandbox, cohort) == []
    sandbox.control.cohort_calculation(0)
    call(sandbox, "PATCH", f"cohorts/{cohort['id']}/", json={"description": "again"})
    done = now(sandbox, cohort)
    assert [done[key] for key in shown] == ["Eligible", "again", False, False, 3, False]
    assert members(sandbox, cohort) == ["early", "text", "white"]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (filters(person("points", "gt", 0)), "black early edge late text white"),
        (filters(person("points", "gte", "0")), "black early edge late poor text white"),
        (filters(person("points", "lt", 5)), "poor"),
        (filters(person("points", "lte", 5)), "early edge late poor"),
        (filters(person("points", "exact", ["0", "12"])), "poor text"),
        (filters(person("points", "is_set")), "black early edge late poor text white"),
        (filters(person("points", "is_not_set")), "blank"),
        (filters(person("blacklisted", "exact", "true")), "black"),
        (filters(person("blacklisted", "is_not", "true")), "blank early edge late poor text white"),
        (filters(person("blacklisted", "is_not", "true", negation=True)), "black"),
        (filters(person("recharge_date", "is_date_after", "2026-11-19")), "edge late"),
        (filters(person("recharge_date", "is_date_after", "-36h")), "late"),
        (filters(person("recharge_date", "icontains", "T09")), "early late"),
        (
            filters(person("points", "exact", 0), person("blacklisted", "is_set"), kind="OR"),
            "black poor white",
        ),
        (
            filters(
                person("points", "gt", 8), filters(person("blacklisted", "is_set"))["properties"]
            ),
            "black white",
        ),
    ],
)
def test_conditions_choose_persons(
    sandbox: SandboxProcess, wanted: dict[str, Any], chosen: str
) -> None:
    """Numbers may be texts; who lacks a property meets only the nots; groups nest."""
    meet(sandbox, PEOPLE)
    assert members(sandbox, made(sandbox, "c", filters=wanted)) == chosen.split()


def test_a_cohort_can_build_on_another(sandbox: SandboxProcess) -> None:
    """Members of a cohort, or persons who are not."""
    meet(sandbox, PEOPLE)
    rich = made(sandbox, "rich", filters=filters(person("points", "gt", 8)))
    now(sandbox, rich)
    part = {"type": "cohort", "key": "id", "value": rich["id"]}
    assert members(sandbox, made(sandbox, "in", filters=filters(part))) == [
        "black",
        "text",
        "white",
    ]
    outside = filters({**part, "negation": True})
    assert members(sandbox, made(sandbox, "out", filters=outside)) == [
        *("blank", "early", "edge", "late", "poor")
    ]


def test_members_stay_as_calculated(sandbox: SandboxProcess) -> None:
    """A person who qualifies later is in only after the next calculation."""
    meet(sandbox, {"anna": {"points": 1}})
    cohort = made(sandbox, "c", filters=filters(person("points", "gt", 0)))
    assert members(sandbox, cohort) == ["anna"]
    meet(sandbox, {"ben": {"points": 1}})
    assert members(sandbox, cohort) == ["anna"]
    call(sandbox, "PATCH", f"cohorts/{cohort['id']}/", json={"name": "d"})
    assert members(sandbox, cohort) == ["anna", "ben"]


def test_a_calculation_can_fail(sandbox: SandboxProcess) -> None:
    """The failures are counted, with a message; the next one that goes well clears them."""
    sandbox.control.cohort_calculation(failures=1)
    cohort = made(sandbox, "c", filters=filters(person("points", "gt", 0)))
    failed = now(sandbox, cohort)
    assert (failed["is_calculating"], failed["errors_calculating"]) == (False, 1)
    assert failed["last_error_message"] is not None
    call(sandbox, "PATCH", f"cohorts/{cohort['id']}/", json={"name": "d"})
    assert now(sandbox, cohort)["errors_calculating"] == 0


def test_a_key_that_posthog_does_not_know_is_refused(sandbox: SandboxProcess) -> None:
    """400 with the words of its validation, and no cohort."""
    wanted = filters(person("points", "gt", 0, colour="red"))
    answer = call(sandbox, "POST", "cohorts/", json={"name": "c", "filters": wanted})
    body = answer.json()
    assert (answer.status_code, body["type"], body["code"], body["attr"]) == (
        400,
        "validation_error",
        "invalid_input",
        "filters",
    )
    assert "'type': 'extra_forbidden'" in body["detail"]
    assert "'colour'" in body["detail"]
    assert call(sandbox, "GET", "cohorts/").json()["results"] == []


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"values": []}, "Must contain a 'properties' key with type and values"),
        (filters({"type": "person", "key": "points"}), "for person filter: value, operator"),
        (filters(person("points", "gt")), "Missing required keys for person filter: value"),
        (
            filters({"type": "cohort", "key": "id"}),
            "Missing required keys for cohort filter: value",
        ),
        (filters(person("d", "is_date_before", "soon")), "Invalid date value 'soon'"),
        (filters({"type": "planet"}), "union_tag_invalid"),
    ],
)
def test_filters_without_a_sense_are_refused(
    sandbox: SandboxProcess, wanted: dict[str, Any], says: str
) -> None:
    """What is missing or wrong is named."""
    status, *_, detail = _refused(sandbox, {"name": "c", "filters": wanted})
    assert status == 400
    assert says in detail


def _refused(sandbox: SandboxProcess, body: dict[str, Any]) -> tuple[int, str, str, str]:
    return refusal(call(sandbox, "POST", "cohorts/", json=body))


def test_lists_are_pages_newest_first_without_deleted_ones(sandbox: SandboxProcess) -> None:
    """Limit and offset, `next` as an absolute address, search in names; deleting only hides."""
    cohorts = []
    for number in range(5):
        sandbox.control.set_clock(NOW + timedelta(minutes=number))
        cohorts.append(made(sandbox, f"Cohort {number}", is_static=True))
    call(sandbox, "PATCH", f"cohorts/{cohorts[2]['id']}/", json={"deleted": True})
    first = call(sandbox, "GET", "cohorts/?limit=3").json()
    assert [one["name"] for one in first["results"]] == ["Cohort 4", "Cohort 3", "Cohort 1"]
    assert (first["count"], first["previous"]) == (4, None)
    assert first["next"] == f"{sandbox.url}/api/projects/1/cohorts/?limit=3&offset=3"
    key = {"Authorization": f"Bearer {sandbox.api_key}"}
    last = HTTP.get(first["next"], headers=key).json()
    assert [one["name"] for one in last["results"]] == ["Cohort 0"]
    assert last["next"] is None
    found = call(sandbox, "GET", "cohorts/?search=COHORT 3&type=static").json()
    assert [one["name"] for one in found["results"]] == ["Cohort 3"]
    assert now(sandbox, cohorts[2])["deleted"] is True


def test_nothing_is_really_deleted(sandbox: SandboxProcess) -> None:
    """DELETE is refused; an id that never was is not found."""
    cohort = made(sandbox, "c", is_static=True)
    assert refusal(call(sandbox, "DELETE", f"cohorts/{cohort['id']}/"))[:3] == (
        405,
        "invalid_request",
        "method_not_allowed",
    )
    for path in ("cohorts/999/", "cohorts/x/", "cohorts/999/persons/"):
        assert refusal(call(sandbox, "GET", path)) == (
            404,
            "invalid_request",
            "not_found",
            "Not found.",
        )


def _upload(content: bytes) -> dict[str, Any]:
    return {"files": {"csv": ("ids.csv", content, "text/csv")}}


def _uploaded(sandbox: SandboxProcess, content: bytes) -> dict[str, Any]:
    fields = {"name": "c", "is_static": "true"}
    answer = call(sandbox, "POST", "cohorts/", data=fields, **_upload(content))
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_list_of_distinct_ids_makes_a_static_cohort(sandbox: SandboxProcess) -> None:
    """Ids that no person has are dropped without a word; a second file adds, and repeats nothing."""
    sandbox.control.cohort_calculation(0.2)
    meet(sandbox, {one: {} for one in ("anna", "ben", "carl")})
    cohort = _uploaded(sandbox, b"anna\nnobody\n\n ben \n")
    assert (cohort["is_static"], cohort["is_calculating"], cohort["count"]) == (True, True, 0)
    sandbox.control.cohort_calculation(0)
    path = f"cohorts/{cohort['id']}/"
    call(sandbox, "PATCH", path, **_upload(b'"ben"\ncarl\nben'))
    done = now(sandbox, cohort)
    assert (done["is_calculating"], done["count"]) == (False, 3)
    assert members(sandbox, cohort) == ["anna", "ben", "carl"]


@pytest.mark.parametrize(
    ("content", "chosen"),
    [
        ("distinct_id\nanna", ["anna"]),  # the title is taken for an id that nobody has
        ("name,distinct_id\nx,anna\nshort", ["anna"]),
        ("email\nben@example.com", ["ben"]),
        ("email,person_id\nben@example.com,{anna}", ["anna"]),
        ("person_id\n{anna}", ["anna"]),
    ],
)
def test_titles_say_what_the_ids_are(
    sandbox: SandboxProcess, content: str, chosen: list[str]
) -> None:
    """Person ids before distinct ids before emails; a lone column is distinct ids."""
    meet(sandbox, {"anna": {}, "ben": {"email": "ben@example.com"}})
    anna = call(sandbox, "GET", "persons/?distinct_id=anna").json()["results"][0]["uuid"]
    assert members(sandbox, _uploaded(sandbox, content.format(anna=anna).encode())) == chosen


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\n\n", "CSV file is empty."),
        (b"email\n", "no valid person IDs"),
        (b"a,b\nc,d\n", "Found columns: a, b"),
        (b"\xff\xfe", "not supported"),
    ],
)
def test_a_bad_file_is_refused_but_its_cohort_stays(
    sandbox: SandboxProcess, content: bytes, says: str
) -> None:
    """As in PostHog, which makes the cohort before it looks at the file."""
    fields = {"name": "c", "is_static": "true"}
    answer = call(sandbox, "POST", "cohorts/", data=fields, **_upload(content))
    assert (answer.status_code, answer.json()["attr"]) == (400, "csv")
    assert says in answer.json()["detail"]
    assert [one["count"] for one in call(sandbox, "GET", "cohorts/").json()["results"]] == [0]


def test_persons_are_added_by_uuid(sandbox: SandboxProcess) -> None:
    """Unknown ones are dropped; none known, more than a thousand, or another kind is refused."""
    meet(sandbox, {"anna": {}, "ben": {}})
    known = [one["uuid"] for one in call(sandbox, "GET", "persons/").json()["results"]]
    nobody = "00000000-0000-4000-8000-000000000000"
    static, dynamic = (
        made(sandbox, "s", is_static=True),
        made(sandbox, "d", filters=filters(person("points", "gt", 0))),
    )
    path = f"cohorts/{static['id']}/add_persons_to_static_cohort/"
    answer = call(sandbox, "PATCH", path, json={"person_ids": [*known, nobody]})
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert now(sandbox, static)["count"] == 2
    for ids, says in (
        ([nobody], "No valid users to add to cohort"),
        ([nobody] * 1001, "List size exceeds limit"),
        ([], "person_ids cannot be empty"),
        ("anna", "person_ids must be a list"),
        (["anna"], "Must be a valid UUID."),
    ):
        body = call(sandbox, "PATCH", path, json={"person_ids": ids}).json()
        assert body["detail"] == says
    other = path.replace(str(static["id"]), str(dynamic["id"]))
    refused = call(sandbox, "PATCH", other, json={"person_ids": known})
    assert refused.json()["detail"] == "Can only add users to static cohorts"


def test_persons_of_a_cohort_come_in_pages_with_ten_distinct_ids(sandbox: SandboxProcess) -> None:
    """A full page has a next one, even if that is empty."""
    meet(sandbox, {"anna": {"points": 1}, "ben": {"points": 1}})
    for number in range(12):
        alias = {"event": "$create_alias", "distinct_id": "anna"}
        properties = {"alias": f"device-{number}"}
        send(sandbox, "/e/", {**alias, "properties": properties, "api_key": TOKEN})
        device = {"event": "e", "distinct_id": f"device-{number}", "api_key": TOKEN}
        send(sandbox, "/e/", device)
    cohort = made(sandbox, "c", filters=filters(person("points", "gt", 0)))
    now(sandbox, cohort)
    pages = [
        call(sandbox, "GET", f"cohorts/{cohort['id']}/persons/?limit=1&offset={offset}").json()
        for offset in range(3)
    ]
    assert [page["next"] is None for page in pages] == [False, False, True]
    found = [one["distinct_ids"] for page in pages for one in page["results"]]
    assert sorted(map(len, found)) == [1, 10]


def test_each_endpoint_wants_its_scopes(sandbox: SandboxProcess) -> None:
    """cohort:read, cohort:write (which may read), and person:read for members."""
    cohort = made(sandbox, "c", is_static=True)
    path = f"cohorts/{cohort['id']}/"
    for scopes, method, where, missing in (
        (["query:read"], "GET", path, "cohort:read"),
        (["cohort:read"], "PATCH", path, "cohort:write"),
        (["cohort:write"], "GET", f"{path}persons/", "person:read"),
        (["person:read"], "GET", f"{path}persons/", "cohort:read"),
        (["cohort:read"], "POST", "cohorts/", "cohort:write"),
    ):
        sandbox.control.scopes(*scopes)
        detail = refusal(call(sandbox, method, where, json={}))[3]
        assert detail == f"API key missing required scope '{missing}'"
    sandbox.control.scopes("cohort:write", "person:read")
    assert call(sandbox, "GET", f"{path}persons/").status_code == 200


def test_faults_strike_cohorts_too(sandbox: SandboxProcess) -> None:
    """By the path, as everywhere; an answer that is lost leaves the cohort."""
    sandbox.control.fault("cut_body", match="cohorts", bytes=5)
    with pytest.raises(Exception, match="peer closed connection"):
        call(sandbox, "POST", "cohorts/", json={"name": "c", "is_static": True})
    found = call(sandbox, "GET", "cohorts/").json()["results"]
    assert [one["name"] for one in found] == ["c"]


def test_members_can_be_asked_for_in_hogql(sandbox: SandboxProcess) -> None:
    """Filter cohorts and static ones have a table each, and distinct ids have theirs."""
    meet(sandbox, {"anna": {"points": 1}, "ben": {}})
    by_filter = made(sandbox, "d", filters=filters(person("points", "gt", 0)))
    by_list = _uploaded(sandbox, b"ben")
    now(sandbox, by_filter)
    now(sandbox, by_list)
    for table, cohort, wanted in (
        ("cohort_people", by_filter, [["anna"]]),
        ("static_cohort_people", by_list, [["ben"]]),
        ("cohort_people", by_list, []),
    ):
        inner = f"SELECT person_id FROM {table} WHERE cohort_id = {cohort['id']}"
        outer = f"SELECT distinct_id FROM person_distinct_ids WHERE person_id IN ({inner})"
        assert rows(sandbox, f"{outer} ORDER BY 1 LIMIT 9") == wanted


def test_reset_forgets_cohorts_and_persons(sandbox: SandboxProcess) -> None:
    """Ids begin anew, deleted persons may come again, calculation is immediate."""
    meet(sandbox, {"anna": {"points": 1}})
    uuid = call(sandbox, "GET", "persons/").json()["results"][0]["uuid"]
    call(sandbox, "DELETE", f"persons/{uuid}/")
    made(sandbox, "before", is_static=True)
    sandbox.control.cohort_calculation(60, failures=9)
    sandbox.control.reset()
    sandbox.control.set_clock(NOW)
    assert call(sandbox, "GET", "cohorts/").json()["results"] == []
    meet(sandbox, {"anna": {"points": 1}})
    cohort = made(sandbox, "after", filters=filters(person("points", "gt", 0)))
    assert (cohort["id"], members(sandbox, cohort)) == (1, ["anna"])
