"""What happens to stored events behind a client's back: rebuilt, delayed, squashed, deleted."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog_sandbox.asking import TOKEN, rows, send
from posthog_sandbox.process import SandboxProcess

_UUID = "00000000-0000-4000-8000-{:012d}"
_ANNA, _BEN = _UUID.format(1), _UUID.format(2)


def _event(number: int = 1, at: datetime = NOW, **fields: Any) -> dict[str, Any]:
    return {"event": "e", "timestamp": at, "uuid": _UUID.format(number), **fields}


def _properties(sandbox: SandboxProcess) -> str:
    ((text,),) = rows(sandbox, "SELECT properties FROM events")
    return str(text)


def test_hidden_properties_are_not_there(sandbox: SandboxProcess) -> None:
    """Access control thins what a key's user sees, in the old table and in the native one."""
    sandbox.control.insert([_event(properties='{"email": "a@b", "n": [1.50, "x"], "q": "\\""}')])
    sandbox.control.hide_properties("email")
    assert json.loads(_properties(sandbox)) == {"n": [1.5, "x"], "q": '"'}
    sandbox.control.native_json()
    assert json.loads(_properties(sandbox)) == {"n": [1.5, "x"], "q": '"'}
    sandbox.control.hide_properties()
    assert json.loads(_properties(sandbox))["email"] == "a@b"


@pytest.mark.parametrize(
    ("sent", "rebuilt"),
    [
        ('{"b": 1, "a": {"z": 1, "y": [10.0, {"d": 1, "c": 2}]}}',
         '{"a":{"y":[10,{"c":2,"d":1}],"z":1},"b":1}'),
        ('{"price": 10.0, "share": 0.5, "large": 1e3, "text": "10.0"}',
         '{"large":1000,"price":10,"share":0.5,"text":"10.0"}'),
        ('{"a": "", "b": null, "c": [], "d": {}, "e": 0, "f": false, "g": " "}',
         '{"e":0,"f":false,"g":" "}'),
        ('{"a.b": 1, "url": "http:\\/\\/x", "name": "\\u00e9"}',
         '{"a.b":1,"name":"é","url":"http://x"}'),
        ('{"at": "2026-11-20T10:00:00.5Z", "day": "2026-11-20", "number": "7"}',
         '{"at":"2026-11-20T10:00:00.5Z","day":"2026-11-20","number":"7"}'),
        ('{"$set": {"a": 1}, "z": 1, "$sdk_debug_x": 1, "$sent_at": "now"}',
         '{"z":1,"$sdk_debug_x":1,"$sent_at":"now","$set":{"a":1}}'),
        ('{"$feature/x": "test", "$feature/off": false, "z": 1}',
         '{"z":1,"$feature/off":false,"$feature/x":"test","$active_feature_flags":["x"]}'),
        ('{"$active_feature_flags": ["x"], "z": 1}', '{"z":1}'),
        ('{"a": 1, "a": 2}', '{"a":1}'),
        ('{"half": "\\ud83d", "whole": "\\ud83d\\ude00"}', '{"half":"\ufffd","whole":"😀"}'),
        ('{"a": 1,, broken', '{"$unparseable_properties":"{\\"a\\": 1,, broken"}'),
        ("[1]", '{"$unparseable_properties":"[1]"}'),
        ("{}", "{}"),
    ],
)  # fmt: skip
def test_the_native_table_rebuilds_the_text(
    sandbox: SandboxProcess, sent: str, rebuilt: str
) -> None:
    """The same row, another text, and back: nothing stored has changed."""
    sandbox.control.insert([_event(properties=sent)])
    sandbox.control.native_json()
    assert _properties(sandbox) == rebuilt
    sandbox.control.native_json(False)
    assert _properties(sandbox) == sent


def test_the_native_table_forgets_after_sixty_days(sandbox: SandboxProcess) -> None:
    """From insertion on, by the server's clock: person updates and debugging leave the event."""
    sent = {"$set": {"a": 1}, "$sdk_debug_x": 1, "$feature_flag_request_id": "r", "kept": 1}
    inserted = NOW - timedelta(days=60)
    sandbox.control.insert(
        [_event(at=inserted - timedelta(days=9), created_at=inserted, properties=sent)]
    )
    sandbox.control.native_json()
    assert json.loads(_properties(sandbox)) == {"kept": 1}
    sandbox.control.set_clock(NOW - timedelta(seconds=1))
    assert json.loads(_properties(sandbox)) == sent


def test_single_properties_are_read_from_the_native_table(sandbox: SandboxProcess) -> None:
    """What was empty is null there; the rest is as it was."""
    sandbox.control.insert([_event(properties='{"tenant": "accra", "none": "", "size": 10.0}')])
    wanted = "SELECT properties.tenant, properties.none, properties.size FROM events"
    assert rows(sandbox, wanted) == [["accra", "", "10"]]
    sandbox.control.native_json()
    assert rows(sandbox, wanted) == [["accra", None, "10"]]


def _shown(sandbox: SandboxProcess, hours: float) -> list[str]:
    sandbox.control.set_clock(NOW + timedelta(hours=hours))
    return [name for (name,) in rows(sandbox, "SELECT event FROM events ORDER BY event")]


def test_a_backlog_holds_back_what_was_received_in_it(sandbox: SandboxProcess) -> None:
    """Captured and inserted events alike, by the time of receipt, and nothing that came before the lever."""
    sandbox.control.insert([_event(event="before")])
    sandbox.control.backlog(NOW, NOW + timedelta(hours=1), 6)
    hour = timedelta(hours=1)
    sandbox.control.insert(
        [
            _event(event="inserted"),
            _event(event="late", at=NOW - 30 * hour, created_at=NOW),
            _event(event="after", created_at=NOW + hour),
            _event(event="later", visible_at=NOW + 9 * hour),
        ]
    )
    send(sandbox, "/e/", {"api_key": TOKEN, "event": "sent", "distinct_id": "anna"})
    assert _shown(sandbox, 0) == ["before"]
    assert _shown(sandbox, 5.9) == ["after", "before"]
    assert _shown(sandbox, 6) == ["after", "before", "inserted", "late", "sent"]
    assert _shown(sandbox, 9) == ["after", "before", "inserted", "late", "later", "sent"]
    sandbox.control.reset()
    sandbox.control.set_clock(NOW)
    sandbox.control.insert([_event(event="free")])
    assert _shown(sandbox, 0) == ["free"]


def test_rows_of_a_backlog_show_one_by_one(sandbox: SandboxProcess) -> None:
    """Each after a time of its own, out of order, the same again with the same seed."""
    seen: list[list[list[Any]]] = []
    for seed in (1, 1, 2):
        sandbox.control.reset()
        sandbox.control.backlog(NOW, NOW + timedelta(hours=1), 2, most_hours=6, seed=seed)
        sandbox.control.insert([_event(number) for number in range(40)])
        counts = []
        for hours in (1.9, 4, 6):
            sandbox.control.set_clock(NOW + timedelta(hours=hours))
            counts.append(rows(sandbox, "SELECT toString(uuid) FROM events ORDER BY 1 LIMIT 99"))
        first, half, last = counts
        assert (len(first), len(last)) == (0, 40)
        assert 5 < len(half) < 35
        seen.append(half)
    assert seen[0] == seen[1] != seen[2]


def test_a_backlog_holds_back_generated_traffic(sandbox: SandboxProcess) -> None:
    """Its truth stays, and comes true when the backlog is worked off."""
    sandbox.control.backlog(NOW - timedelta(days=9), NOW + timedelta(days=9), 24)
    truth = sandbox.control.generate(300, days=1, end=NOW)
    fresh = f"SELECT count() FROM events WHERE created_at > toDateTime64('{NOW:%F %T}', 6, 'UTC') - 3600"
    assert rows(sandbox, fresh) == [[0]]
    sandbox.control.set_clock(NOW + timedelta(days=9))
    assert sandbox.control.stats()["by_day"].keys() == truth["by_day"].keys()
    assert rows(sandbox, "SELECT uniqExact(uuid) FROM events") == [[truth["distinct"]]]


_OVERRIDES = "SELECT distinct_id, toString(person_id) FROM person_distinct_id_overrides ORDER BY 1"
_OWNERS = "SELECT distinct_id, toString(person_id), toString(poe.id) FROM events ORDER BY 1, 3"


def test_an_event_keeps_its_person_until_the_squash(sandbox: SandboxProcess) -> None:
    """A merge is an override, which queries resolve; squashed it is in the row, and no override any more."""
    sandbox.control.insert(
        [
            _event(1, distinct_id="anna", person_id=_ANNA),
            _event(2, distinct_id="ben", person_id=_BEN),
        ]
    )
    sandbox.control.merge_persons("ben", "anna")
    persons = rows(sandbox, "SELECT toString(id) FROM persons")
    assert persons == [[_BEN]]
    assert rows(sandbox, _OVERRIDES) == [["anna", _BEN]]
    assert rows(sandbox, _OWNERS) == [["anna", _BEN, _ANNA], ["ben", _BEN, _BEN]]
    assert sandbox.control.squash() == 1
    assert rows(sandbox, _OVERRIDES) == []
    assert rows(sandbox, _OWNERS) == [["anna", _BEN, _BEN], ["ben", _BEN, _BEN]]
    assert rows(sandbox, "SELECT toString(id) FROM persons") == persons
    assert sandbox.control.squash() == 0


def test_merges_go_on_after_a_squash(sandbox: SandboxProcess) -> None:
    """What comes in later belongs to the merged person, and a new merge is an override again."""
    for name in ("device-1", "device-2"):
        send(sandbox, "/e/", {"api_key": TOKEN, "event": "e", "distinct_id": name})
    for name in ("device-1", "device-2"):
        identify = {"$anon_distinct_id": name}
        send(
            sandbox,
            "/e/",
            {"api_key": TOKEN, "event": "$identify", "distinct_id": "anna", "properties": identify},
        )
        sandbox.control.squash()
    send(sandbox, "/e/", {"api_key": TOKEN, "event": "e", "distinct_id": "device-1"})
    assert rows(sandbox, "SELECT uniqExact(person_id), uniqExact(poe.id) FROM events") == [[1, 1]]
    assert rows(sandbox, _OVERRIDES) == []
    sandbox.control.rename_person("device-1", _BEN)
    assert rows(sandbox, _OVERRIDES) == [["device-1", _BEN]]


def _left(sandbox: SandboxProcess) -> list[str]:
    found = rows(sandbox, "SELECT toString(uuid) FROM events ORDER BY timestamp, 1 LIMIT 999")
    return [uuid[-2:] for (uuid,) in found]


def test_events_are_deleted_with_all_their_copies(sandbox: SandboxProcess) -> None:
    """By uuid; what is not visible yet is not there to delete; what comes again is an event again."""
    hidden = _event(3, visible_at=NOW + timedelta(hours=1))
    sandbox.control.insert([_event(1), _event(1), _event(2), hidden])
    assert sandbox.control.delete_events(uuids=[_UUID.format(1), _UUID.format(3)]) == 2
    assert _left(sandbox) == ["02"]
    assert sandbox.control.stats()["visible"] == 1
    sandbox.control.set_clock(NOW + timedelta(hours=1))
    sandbox.control.insert([_event(1)])
    assert _left(sandbox) == ["01", "02", "03"]


def test_some_rows_go_now_and_others_later(sandbox: SandboxProcess) -> None:
    """As while a mutation works: the same rows for the same seed, and the rest by the clock."""
    sandbox.control.insert([_event(number, distinct_id="anna") for number in range(40)])
    assert (
        sandbox.control.delete_events(distinct_id="anna", share_now=0.5, after_seconds=3600) == 40
    )
    some = _left(sandbox)
    assert 5 < len(some) < 35
    sandbox.control.set_clock(NOW + timedelta(seconds=3599))
    assert _left(sandbox) == some
    sandbox.control.set_clock(NOW + timedelta(seconds=3600))
    assert _left(sandbox) == []


def test_a_deletion_goes_month_by_month(sandbox: SandboxProcess) -> None:
    """Old parts first: for a while only a month of them is gone."""
    months = [datetime(2026, month, 10, tzinfo=UTC) for month in (9, 10, 11)]
    sandbox.control.insert([_event(number, at) for number, at in enumerate(months, 1)])
    sandbox.control.delete_events(before=months[2], month_seconds=60)
    left = []
    for seconds in (0, 59, 60, 600):
        sandbox.control.set_clock(NOW + timedelta(seconds=seconds))
        left.append(_left(sandbox))
    assert left == [["02", "03"], ["02", "03"], ["03"], ["03"]]


def test_a_persons_events_are_those_that_name_the_person(sandbox: SandboxProcess) -> None:
    """What was merged into a person goes with them only after the squash."""
    sandbox.control.insert(
        [
            _event(1, distinct_id="anna", person_id=_ANNA),
            _event(2, distinct_id="ben", person_id=_BEN),
        ]
    )
    sandbox.control.merge_persons("ben", "anna")
    assert sandbox.control.delete_events(person_id=_BEN) == 1
    assert _left(sandbox) == ["01"]
    sandbox.control.squash()
    assert sandbox.control.delete_events(person_id=_BEN) == 1
    assert _left(sandbox) == []


def test_a_deletion_of_everything_has_to_be_meant(sandbox: SandboxProcess) -> None:
    """Nothing said is a mistake, and no uuids are none."""
    sandbox.control.insert([_event(1)])
    with pytest.raises(
        ValueError, match="Say which events to delete: uuids, person_id, distinct_id"
    ):
        sandbox.control.delete_events()
    assert sandbox.control.delete_events(uuids=[]) == 0
    with pytest.raises(ValueError, match="badly formed hexadecimal UUID string"):
        sandbox.control.delete_events(uuids=["x"])
    with pytest.raises(ValueError, match="A backlog ends after its start"):
        sandbox.control.backlog(NOW, NOW, 1)
    assert _left(sandbox) == ["01"]


def test_reset_takes_the_native_table_back(sandbox: SandboxProcess) -> None:
    """As freshly started, deletions and squashes included."""
    sandbox.control.native_json()
    sandbox.control.reset()
    sandbox.control.set_clock(NOW)
    sandbox.control.insert([_event(properties='{"b": 1, "a": 1}')])
    assert _properties(sandbox) == '{"b": 1, "a": 1}'
