"""Lead records: the seed's example, one record an event, scores with versions, edits that survive."""

import hashlib
import json
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from leadpipe.errors import ConfigurationError
from leadpipe.leads.edits import Change, LeadEdits
from leadpipe.leads.folding import update_leads
from leadpipe.leads.leads import build_leads, stale_runs
from leadpipe.leads.published import tell_leads
from leadpipe.leads.scores import BUILT_IN, ScoreRules, load_rules
from leadpipe.rebuild import rebuild
from leadpipe.warehouse import Rows, read_sql, rows_of, transaction
from leadpipe_tests.clocks import NOW
from leadpipe_tests.dagster_ui.builders import shown_of
from leadpipe_tests.events.builders import build_marts, event, rows, settings_of, take_in

_JOHN = {"listing_id": "listing-123", "seeker_id": "seeker-456"}
_LATER = NOW + timedelta(hours=6)


def records(warehouse) -> list[dict[str, Any]]:
    """All lead records, JSON decoded, in the order of their runs."""
    with warehouse.connect() as connection:
        found = rows_of(
            connection.execute("SELECT * FROM leads ORDER BY run_id, lead_id")
        ).as_dicts()
    for record in found:
        for column in ("lead_actions", "status_tracker", "notes"):
            record[column] = json.loads(str(record[column]))
    return found


def grouped(warehouse) -> Rows:
    """The view a sales person reads."""
    with warehouse.connect() as connection:
        tell_leads(connection)
        return rows_of(connection.execute(read_sql("leads", "grouped_leads.sql"), {"month": None}))


def edit(warehouse, kind, value, *, now=NOW + timedelta(hours=1), author="ama") -> None:
    """A person says something about John's lead, and a run takes it in."""
    edits = LeadEdits(warehouse.path.parent / "lead_edits.sqlite")
    change = Change(str(uuid.uuid4()), "58df67a0162c", kind, value)
    edits.change([change], author=author, now=now)
    with warehouse.connect() as connection:
        update_leads(connection, edits, rules=BUILT_IN, now=now)


def test_the_seeds_example_is_one_record_with_both_calls(warehouse, tmp_path):
    """Two calls of one seeker on one listing in a run: one record, two actions, score 60."""
    first, second = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
    take_in(
        warehouse,
        tmp_path,
        [
            event("lead_phone", "10:30:00", uuid=second, **_JOHN),
            event(
                "lead_phone",
                "10:00:00",
                uuid=first,
                lister_id="dev-789",
                lister_type="developer",
                **_JOHN,
            ),
        ],
    )
    build_marts(warehouse)
    [record] = records(warehouse)
    assert record == {
        "lead_id": "58df67a0162c",
        "run_id": "run-1",
        "listing_id": "listing-123",
        "seeker_id": "seeker-456",
        "lister_id": "dev-789",
        "lister_type": "developer",
        "context_type": "listing",
        "lead_actions": [
            {
                "action_id": first,
                "action_type": "lead_phone",
                "timestamp": "2026-11-20T10:00:00.000000Z",
                "points": 30,
            },
            {
                "action_id": second,
                "action_type": "lead_phone",
                "timestamp": "2026-11-20T10:30:00.000000Z",
                "points": 30,
            },
        ],
        "total_actions": 2,
        "lead_score": 60,
        "score_version": "built-in",
        "first_action_at": datetime(2026, 11, 20, 10, tzinfo=UTC),
        "last_action_at": datetime(2026, 11, 20, 10, 30, tzinfo=UTC),
        "first_action_date": date(2026, 11, 20),
        "last_action_date": date(2026, 11, 20),
        "last_action_type": "lead_phone",
        "status": "new",
        "status_tracker": ["new"],
        "notes": [],
        "created_at": NOW,
        "updated_at": NOW,
    }


@pytest.mark.parametrize(
    ("name", "fields", "points", "last_type"),
    [
        ("lead_appointment", {}, 40, "lead_appointment"),
        ("lead_phone", {}, 30, "lead_phone"),
        ("lead_message", {}, 20, "lead_message"),
        ("lead_message", {"message_type": "whatsapp"}, 15, "lead_message"),
        ("lead_message", {"message_type": "email"}, 10, "lead_message"),
        ("lead", {"lead_type": "website"}, 0, "lead_website"),
        ("lead", {"lead_type": "appointment"}, 40, "lead_appointment"),
    ],
)
def test_each_kind_of_lead_gives_its_points(warehouse, tmp_path, name, fields, points, last_type):
    """The built-in rules are the seed's."""
    take_in(warehouse, tmp_path, [event(name, "10:00:00", **_JOHN, **fields)])
    build_marts(warehouse)
    assert rows(warehouse, "SELECT lead_score, last_action_type FROM leads") == [
        (points, last_type)
    ]


def test_a_run_has_records_of_what_it_was_first_to_bring(warehouse, tmp_path):
    """A second run that brings one old and one new call gets a record with the new one only."""
    old, new = event("lead_phone", "10:00:00", **_JOHN), event("lead_message", "11:00:00", **_JOHN)
    take_in(warehouse, tmp_path, [old])
    build_marts(warehouse)
    take_in(warehouse, tmp_path, [old, new], run_id="run-2", now=_LATER)
    build_marts(warehouse)
    take_in(warehouse, tmp_path, [old, new], run_id="run-3", now=_LATER)
    build_marts(warehouse)
    assert rows(
        warehouse, "SELECT run_id, total_actions, lead_score, created_at FROM leads ORDER BY ALL"
    ) == [
        ("run-1", 1, 30, NOW),
        ("run-2", 1, 20, _LATER),
    ]


def test_profile_leads_are_keyed_by_their_lister(warehouse, tmp_path):
    """Two profile leads on one lister are one lead, beside the seeker's lead on a listing."""
    take_in(
        warehouse,
        tmp_path,
        [
            event("lead_phone", "10:00:00", profile_id="lister-1", seeker_id="s"),
            event("lead_phone", "11:00:00", lister_id="lister-1", profile_id="x", seeker_id="s"),
            event("lead_phone", "12:00:00", listing_id="lister-1", seeker_id="s"),
        ],
    )
    build_marts(warehouse)
    found = rows(
        warehouse,
        "SELECT context_type, listing_id, lister_id, total_actions FROM leads ORDER BY ALL",
    )
    assert found == [("listing", "lister-1", None, 1), ("profile", None, "lister-1", 2)]


def test_the_grouped_view_joins_runs_touches_and_status(warehouse, tmp_path):
    """Over runs: totals, first and last touch, current status with its author, time to first response."""
    take_in(warehouse, tmp_path, [event("lead_phone", "10:00:00", utm_source="google", **_JOHN)])
    build_marts(warehouse)
    edit(
        warehouse,
        "status",
        "contacted",
        now=datetime(2026, 11, 21, 10, tzinfo=UTC) + timedelta(hours=3),
    )
    edit(warehouse, "note", "wants a loan", now=_LATER)
    take_in(
        warehouse,
        tmp_path,
        [event("lead_appointment", "18:00:00", utm_source="facebook", **_JOHN)],
        run_id="run-2",
        now=_LATER + timedelta(days=1),
    )
    build_marts(warehouse)
    [lead] = grouped(warehouse).as_dicts()
    assert {
        key: lead[key] for key in lead if key not in ("lead_id", "lead_actions", "status_version")
    } == {
        "listing_id": "listing-123",
        "seeker_id": "seeker-456",
        "lister_id": None,
        "lister_type": None,
        "context_type": "listing",
        "records": 2,
        "total_actions": 2,
        "lead_score": 70,
        "first_action_at": datetime(2026, 11, 20, 10, tzinfo=UTC),
        "last_action_at": datetime(2026, 11, 20, 18, tzinfo=UTC),
        "last_action_type": "lead_appointment",
        "first_utm_source": "google",
        "first_utm_medium": None,
        "first_utm_campaign": None,
        "last_utm_source": "facebook",
        "last_utm_medium": None,
        "last_utm_campaign": None,
        "status": "contacted",
        "status_changed_by": "ama",
        "status_changed_at": datetime(2026, 11, 21, 13, tzinfo=UTC),
        "first_response_seconds": 27 * 3600.0,
        "lead_types": "appointment, phone",
        "notes": '[{"text":"wants a loan","author":"ama","at":"2026-11-21T18:00:00.000000Z"}]',
    }


def test_edits_survive_rebuilds_and_later_runs(warehouse, tmp_path):
    """Status and notes are on the record after a rebuild, and a later run's record begins as new."""
    take_in(warehouse, tmp_path, [event("lead_phone", "10:00:00", **_JOHN)])
    build_marts(warehouse)
    edit(warehouse, "status", "contacted")
    edit(warehouse, "status", "qualified", now=NOW + timedelta(hours=2))
    edit(warehouse, "note", "call back on Monday", now=NOW + timedelta(hours=3))
    take_in(
        warehouse, tmp_path, [event("lead_phone", "11:00:00", **_JOHN)], run_id="run-2", now=_LATER
    )
    build_marts(warehouse)
    before = records(warehouse)
    report = rebuild(settings_of(warehouse), now=_LATER)
    assert records(warehouse) == before
    assert report.rows["lead records"] == 2
    assert [(r["status"], r["status_tracker"], r["updated_at"]) for r in before] == [
        ("qualified", ["new", "contacted", "qualified"], NOW + timedelta(hours=3)),
        ("new", ["new"], _LATER),
    ]
    assert before[0]["notes"] == [
        {"text": "call back on Monday", "author": "ama", "at": "2026-11-21T15:00:00.000000Z"}
    ]


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("status", "sold", "'sold' is no status; choose one of new, contacted"),
        ("note", "   ", "A note has 1 to 10000 characters"),
        ("note", "x" * 10_001, "A note has 1 to 10000 characters"),
    ],
)
def test_bad_edits_are_refused(warehouse, tmp_path, kind, value, message):
    """A status outside the list or an empty note is an error and changes nothing."""
    take_in(warehouse, tmp_path, [event("lead_phone", "10:00:00", **_JOHN)])
    build_marts(warehouse)
    with pytest.raises(ConfigurationError, match=message):
        edit(warehouse, kind, value)
    assert rows(warehouse, "SELECT count(*) FROM lead_edits") == [(0,)]


def test_records_keep_the_rules_they_were_scored_by(warehouse, tmp_path):
    """New rules score new runs; old records change only when that is asked for."""
    take_in(warehouse, tmp_path, [event("lead_phone", "10:00:00", **_JOHN)])
    build_marts(warehouse)
    take_in(
        warehouse, tmp_path, [event("lead_phone", "11:00:00", **_JOHN)], run_id="run-2", now=_LATER
    )
    new = ScoreRules("2027", {**BUILT_IN.points, "phone": 5})
    with warehouse.connect() as connection, transaction(connection):
        build_leads(connection, stale_runs(connection), rules=new)
    scores = "SELECT run_id, lead_score, score_version FROM leads ORDER BY run_id"
    assert rows(warehouse, scores) == [("run-1", 30, "built-in"), ("run-2", 5, "2027")]
    points = "\n".join(f"{lead_type} = {points}" for lead_type, points in new.points.items())
    rules_file = tmp_path / "scores.toml"
    rules_file.write_text(f'version = "2027"\n[points]\n{points}\n')
    settings = settings_of(warehouse, scores_file=rules_file)
    rebuild(settings, now=_LATER)
    assert rows(warehouse, scores) == [("run-1", 30, "built-in"), ("run-2", 5, "2027")]
    rebuild(settings, now=_LATER, is_rescored=True)
    assert rows(warehouse, scores) == [("run-1", 5, "2027"), ("run-2", 5, "2027")]


def test_changed_rules_need_a_new_version(warehouse, tmp_path):
    """Points that change under the same version would make old scores unexplainable."""
    take_in(warehouse, tmp_path, [event("lead_phone", "10:00:00", **_JOHN)])
    build_marts(warehouse)
    changed = ScoreRules("built-in", {**BUILT_IN.points, "phone": 5})
    with (
        warehouse.connect() as connection,
        transaction(connection),
        pytest.raises(ConfigurationError, match="Give the changed rules a new version"),
    ):
        build_leads(connection, ["run-1"], rules=changed)


_POINTS = "[points]\nappointment = 1\nphone = 2\ndirect_message = 3\nwhatsapp = 4\nemail = 5\nwebsite = 6\n"


def test_rules_come_from_a_small_file(tmp_path):
    """A version and a whole number for each kind of lead; no file means the built-in rules."""
    path = tmp_path / "scores.toml"
    assert load_rules(path) is BUILT_IN
    path.write_text(f'version = "2027"\n{_POINTS}')
    assert load_rules(path).points == {
        "appointment": 1,
        "phone": 2,
        "direct_message": 3,
        "whatsapp": 4,
        "email": 5,
        "website": 6,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version = ", "not valid TOML"),
        (_POINTS, "version should be a short text"),
        (f'version = "built-in"\n{_POINTS}', "'built-in' is taken"),
        ('version = "a"', r"a table \[points\]"),
        ('version = "a"\n[points]\nphone = 1', "should have exactly .* see appointment"),
        (f'version = "a"\n{_POINTS}fax = 1', "see fax"),
        (
            f'version = "a"\n{_POINTS}'.replace("= 2", "= -2"),
            r"points.phone = -2 should be a whole number",
        ),
        (f'version = "a"\n{_POINTS}'.replace("= 2", "= true"), r"points.phone = True should be"),
        (f'version = "a"\n{_POINTS}'.replace("= 2", '= "2"'), r"points.phone = '2' should be"),
    ],
)
def test_bad_rules_are_refused_with_the_entry(tmp_path: Path, text, message):
    """What is wrong with a rules file is said with the file, the entry and what it should be."""
    path = tmp_path / "scores.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_rules(path)


def test_the_ui_shows_its_assets():
    """One asset, with the check that no lead event is lost."""
    assert shown_of("leads") == {
        "leads": (
            ("marts", "warehouse", "duckdb"),
            {"every_lead_event_is_in_one_record"},
        ),
    }


def test_ids_with_the_separator_in_them_are_leads_of_their_own(warehouse, tmp_path):
    """a|b of c is not a of b|c, nor is a lead on a profile; ids of all other leads are what they were."""
    pairs = [
        ("a|b", "c"),
        ("a", "b|c"),
        ("a", "b|c|1"),
        ("a|b|c", "1"),
        ("a|", "|c"),
        ("a||", "c"),
        ("a", "b"),
    ]
    take_in(
        warehouse,
        tmp_path,
        [event("lead_phone", "10:00:00", listing_id=a, seeker_id=b) for a, b in pairs]
        + [event("lead_phone", "10:00:00", profile_id=a, seeker_id=b) for a, b in pairs],
    )
    build_marts(warehouse)
    found = rows(warehouse, "SELECT listing_id, seeker_id, lead_id, lead_score FROM leads")
    assert sorted((a, b) for a, b, _, _ in found if a is not None) == sorted(pairs)
    assert len({lead_id for _, _, lead_id, _ in found}) == 2 * len(pairs)
    assert {score for _, _, _, score in found} == {30}
    [lead_id] = [lead_id for a, b, lead_id, _ in found if (a, b) == ("a", "b")]
    assert lead_id == hashlib.md5(b"listing|a|b", usedforsecurity=False).hexdigest()[:12]
