"""Persons of the sandbox: lists, properties, deletion."""

import pytest

from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog_sandbox.asking import HTTP, TOKEN, refusal, rows, send
from leadpipe_tests.posthog_sandbox.cohort_asking import call, meet
from posthog_sandbox.process import SandboxProcess


def _found(sandbox: SandboxProcess, query: str = "") -> list[str]:
    page = call(sandbox, "GET", f"persons/{query}").json()
    return sorted(one for found in page["results"] for one in found["distinct_ids"])


def test_a_person_is_shown_as_posthog_shows_them(sandbox: SandboxProcess) -> None:
    """All distinct ids, the properties, a name out of them, the UUID twice."""
    meet(sandbox, {"anna": {"email": "anna@example.com", "points": 3}})
    page = call(sandbox, "GET", "persons/?distinct_id=anna").json()
    (uuid,) = {one["uuid"] for one in page["results"]}
    expected = {
        "type": "person",
        "id": uuid,
        "uuid": uuid,
        "name": "anna@example.com",
        "distinct_ids": ["anna"],
        "properties": {"email": "anna@example.com", "points": 3},
        "created_at": "2026-11-21T12:00:00.000000Z",
        "is_identified": False,
    }
    assert page == {"next": None, "previous": None, "results": [expected]}
    assert call(sandbox, "GET", f"persons/{uuid}/").json() == expected


def test_persons_are_found_by_what_is_known_of_them(sandbox: SandboxProcess) -> None:
    """Distinct id exactly, email exactly, or a search in both."""
    meet(sandbox, {"anna": {"email": "anna@example.com"}, "anna2": {"name": "Anna B"}, "ben": {}})
    assert _found(sandbox) == ["anna", "anna2", "ben"]
    assert _found(sandbox, "?distinct_id=anna") == ["anna"]
    assert _found(sandbox, "?distinct_id=ann") == []
    assert _found(sandbox, "?email=anna@example.com") == ["anna"]
    assert _found(sandbox, "?search=ANNA") == ["anna", "anna2"]
    assert _found(sandbox, "?search=ben") == ["ben"]


def test_persons_come_in_pages(sandbox: SandboxProcess) -> None:
    """`next` leads on while pages are full."""
    meet(sandbox, {f"user {number}": {} for number in range(5)})
    seen: list[str] = []
    address: str | None = f"{sandbox.url}/api/projects/1/persons/?limit=2"
    for _ in range(9):
        if address is None:
            break
        page = HTTP.get(address, headers={"Authorization": f"Bearer {sandbox.api_key}"}).json()
        seen += [person["distinct_ids"][0] for person in page["results"]]
        address = page["next"]
    assert sorted(seen) == [f"user {number}" for number in range(5)]
    assert refusal(call(sandbox, "GET", "persons/?limit=many"))[0] == 400


def test_a_property_can_be_taken_away(sandbox: SandboxProcess) -> None:
    """`$unset` takes names; what is unset can be set again."""
    meet(sandbox, {"anna": {"points": 3, "plan": "pro"}})
    unset = {"event": "$set", "distinct_id": "anna", "properties": {"$unset": ["points", "none"]}}
    send(sandbox, "/e/", {**unset, "api_key": TOKEN})
    person = "SELECT DISTINCT person.properties.points, person.properties.plan FROM events"
    assert rows(sandbox, person) == [[None, "pro"]]
    meet(sandbox, {"anna": {"points": 4}})
    assert rows(sandbox, person) == [["4", "pro"]]


def test_generated_people_keep_their_properties(sandbox: SandboxProcess) -> None:
    """A `$set` adds to what the generated traffic knew of a person."""
    sandbox.control.generate(500, days=3, end=NOW)
    ((distinct_id, before),) = rows(
        sandbox,
        "SELECT distinct_id, person.properties.email FROM events "
        "WHERE person.properties.email IS NOT NULL LIMIT 1",
    )
    meet(sandbox, {distinct_id: {"points": 3}})
    wanted = "SELECT DISTINCT person.properties.email, person.properties.points FROM events"
    assert rows(sandbox, f"{wanted} WHERE distinct_id = '{distinct_id}'") == [[before, "3"]]


def test_a_deleted_person_does_not_come_back(sandbox: SandboxProcess) -> None:
    """202, no body; not found then; new events of the same distinct id do not revive them."""
    meet(sandbox, {"anna": {}, "ben": {}})
    uuid = call(sandbox, "GET", "persons/?distinct_id=anna").json()["results"][0]["uuid"]
    answer = call(sandbox, "DELETE", f"persons/{uuid}/?delete_events=true")
    assert (answer.status_code, answer.content) == (202, b"")
    assert refusal(call(sandbox, "DELETE", f"persons/{uuid}/"))[0] == 404
    meet(sandbox, {"anna": {"points": 1}})
    assert _found(sandbox) == ["ben"]
    assert rows(sandbox, "SELECT count() FROM persons") == [[1]]


def test_persons_can_be_deleted_many_at_once(sandbox: SandboxProcess) -> None:
    """By distinct id or UUID, at most a thousand; unknown ones are not counted."""
    meet(sandbox, {"anna": {}, "ben": {}, "carl": {}})
    answer = call(
        sandbox, "POST", "persons/bulk_delete/", json={"distinct_ids": ["anna", "ben", "x"]}
    )
    body = answer.json()
    assert (answer.status_code, body["persons_found"], body["persons_deleted"]) == (202, 2, 2)
    assert _found(sandbox) == ["carl"]
    for wrong in ({}, {"ids": ["x"] * 1001}):
        assert refusal(call(sandbox, "POST", "persons/bulk_delete/", json=wrong))[0] == 400


@pytest.mark.parametrize(
    ("scopes", "method", "missing"),
    [("query:read", "GET", "person:read"), ("person:read", "DELETE", "person:write")],
)
def test_persons_want_their_scopes(
    sandbox: SandboxProcess, scopes: str, method: str, missing: str
) -> None:
    """Reading and deleting have a scope each."""
    sandbox.control.scopes(scopes)
    detail = refusal(call(sandbox, method, "persons/00000000-0000-4000-8000-000000000000/"))[3]
    assert detail == f"API key missing required scope '{missing}'"


def test_a_distinct_id_is_no_person_id(sandbox: SandboxProcess) -> None:
    """400 that says where to ask instead; an unknown UUID is 404."""
    status, _, _, detail = refusal(call(sandbox, "GET", "persons/anna/"))
    assert status == 400
    assert detail.endswith("please use /persons?distinct_id=anna instead.")
    unknown = call(sandbox, "GET", "persons/00000000-0000-4000-8000-000000000000/")
    assert refusal(unknown) == (404, "invalid_request", "not_found", "Not found.")
