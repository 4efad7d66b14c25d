"""Generated traffic: the same for the same seed, and like real traffic in its numbers."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadpipe_tests.posthog_sandbox.asking import rows
from posthog_sandbox.identifiers import uuid7
from posthog_sandbox.parquet import write_traffic
from posthog_sandbox.process import SandboxProcess
from posthog_sandbox.traffic import PART_ROWS, Plan, Tally, make_all, make_part

_END = datetime(2026, 11, 21, tzinfo=UTC)
_LEADS = ("lead", "lead_phone", "lead_message", "lead_appointment")
_LISTING_NAMES = ("listing_id", "listingId", "listing_uuid", "property_id")


def _plan(events: int = 30_000, *, days: int = 42, seed: int = 5) -> Plan:
    return Plan(events, days, _END, seed)


@lru_cache(maxsize=1)
def _table() -> pa.Table:
    return pa.concat_tables([made.table for made in make_all(_plan())])


@lru_cache(maxsize=1)
def _copies() -> list[dict[str, Any]]:
    """All rows, properties parsed."""
    found: list[dict[str, Any]] = _table().to_pylist()
    for row in found:
        row["properties"] = json.loads(row["properties"])
    return found


@lru_cache(maxsize=1)
def _events() -> list[dict[str, Any]]:
    """Each event once."""
    return list({row["uuid"]: row for row in _copies()}.values())


def _named(*names: str) -> list[dict[str, Any]]:
    return [event for event in _events() if event["event"] in names]


def _listing(event: dict[str, Any]) -> str | None:
    found = [event["properties"].get(name) for name in _LISTING_NAMES]
    return next((str(value) for value in found if value is not None), None)


def _share(events: list[Any], among: list[Any]) -> float:
    return len(events) / len(among)


# The same rows, wherever they go


def test_same_seed_same_rows() -> None:
    """Byte for byte; another seed, other rows."""
    again = pa.concat_tables([made.table for made in make_all(_plan())])
    assert again.equals(_table())
    other = pa.concat_tables([made.table for made in make_all(_plan(seed=6))])
    assert not set(other["uuid"].to_pylist()) & set(_table()["uuid"].to_pylist())


def test_parts_know_nothing_of_each_other() -> None:
    """Made backwards, they are the same."""
    plan = _plan(3_000, days=3)
    forwards = [made.table for made in make_all(plan)]
    backwards = [make_part(plan, part).table for part in reversed(plan.parts())]
    assert [
        table.equals(other) for table, other in zip(forwards, backwards[::-1], strict=True)
    ] == [
        True,
        True,
        True,
    ]


def test_a_part_is_never_larger_than_memory_allows() -> None:
    """However many rows a day has."""
    sizes = [part.rows for part in _plan(2_000_000, days=2).parts()]
    assert (sum(sizes), max(sizes) <= PART_ROWS) == (2_000_000, True)


@pytest.mark.parametrize(("events", "days"), [(0, 1), (1, 1), (7, 30), (1_000, 60), (12_345, 7)])
def test_exactly_as_many_rows_as_asked_for(events: int, days: int) -> None:
    """From none at all to more days than rows."""
    assert sum(made.table.num_rows for made in make_all(_plan(events, days=days))) == events


def test_nonsense_is_refused() -> None:
    """With what would make sense."""
    with pytest.raises(ValueError, match="ask for 0 or more events over 1 or more days"):
        Plan(10, 0, _END, 1)


def test_server_and_parquet_hold_the_same_rows(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """The control endpoint and the files, compared column by column."""
    sandbox.control.set_clock(_END + timedelta(days=30))
    in_server = sandbox.control.generate(4_000, days=4, end=_END, seed=3)
    in_files = write_traffic(tmp_path, events=4_000, days=4, end=_END, seed=3, processes=2)
    assert in_server == in_files == sandbox.control.truth()
    columns = ["uuid", "event", "properties", "distinct_id", "person_id", "timestamp", "created_at"]
    query = (
        "SELECT toString(uuid) AS id, event, properties, distinct_id, toString(person_id), "
        "toString(timestamp), toString(created_at) AS at FROM events ORDER BY id, at LIMIT 50000"
    )
    files = pq.read_table(tmp_path, columns=columns).to_pylist()
    written = [[_plain(row[name]) for name in columns] for row in files]
    assert rows(sandbox, query) == sorted(written, key=lambda row: (row[0], row[6]))
    assert sandbox.control.stats()["by_event"] == dict(
        sorted(Counter(row["event"] for row in files).items())
    )


def _plain(value: object) -> object:
    return f"{value:%Y-%m-%d %H:%M:%S.%f}" if isinstance(value, datetime) else value


def test_parquet_files_have_microseconds_in_utc(tmp_path: Path) -> None:
    """One file a part, columns as promised."""
    write_traffic(tmp_path, events=300, days=3, end=_END, seed=1, processes=1)
    files = sorted(tmp_path.glob("*.parquet"))
    moment = pa.timestamp("us", "UTC")
    assert [path.name for path in files] == [f"events-{n:06d}.parquet" for n in range(3)]
    assert pq.read_schema(files[0]).remove_metadata() == pa.schema(
        [
            *(
                (name, pa.string())
                for name in ("uuid", "event", "properties", "distinct_id", "person_id")
            ),
            *((name, moment) for name in ("timestamp", "created_at", "visible_at")),
        ]
    )
    assert {pq.ParquetFile(path).metadata.row_group(0).column(0).compression for path in files} == {
        "ZSTD"
    }


def test_a_folder_with_parquet_is_refused(tmp_path: Path) -> None:
    """Readers would mix old and new."""
    (tmp_path / "old.parquet").touch()
    with pytest.raises(ValueError, match="holds Parquet files already; choose an empty directory"):
        write_traffic(tmp_path, events=10, days=1, end=_END, seed=1)


def test_the_truth_is_what_counting_finds() -> None:
    """Tallied by parts, counted by hand."""
    tally = Tally()
    for made in make_all(_plan()):
        tally.add(made)
    lateness = [row["created_at"] - row["timestamp"] for row in _firsts()]
    assert tally.truth() == {
        "events": len(_copies()),
        "distinct": len(_events()),
        "duplicates": len(_copies()) - len(_events()),
        "late": sum(late >= timedelta(minutes=1) for late in lateness),
        "by_event": dict(sorted(Counter(event["event"] for event in _events()).items())),
        "by_day": dict(
            sorted(Counter(str(event["timestamp"].date()) for event in _events()).items())
        ),
    }


def _firsts() -> list[dict[str, Any]]:
    """The copy of each event that came first."""
    ordered = sorted(_copies(), key=lambda row: row["created_at"], reverse=True)
    return list({row["uuid"]: row for row in ordered}.values())


# Like real traffic


def test_every_kind_of_event_occurs() -> None:
    """All spellings of the domain, and kinds that nobody asked for."""
    assert {event["event"] for event in _events()} == {
        *_LEADS,
        *("$pageview", "property_view", "impression_social_media", "impression_website_visit"),
        *("impression_share", "impression_saved_listing", "listing_sold", "user_signed_up"),
        *(
            "LeadUpdated",
            "lead_captured",
            "recharge",
            "$identify",
            "$pageleave",
            "search_submitted",
        ),
    }


def test_small_traffic_has_every_kind_that_matters() -> None:
    """A thousand events are enough for a demo."""
    names = {
        name
        for made in make_all(_plan(1_000, days=60, seed=1))
        for name in made.table["event"].to_pylist()
    }
    assert {"$pageview", "property_view", "lead", "LeadUpdated", "recharge"} <= names


def test_two_percent_come_twice() -> None:
    """The same uuid and content again, later."""
    assert 0.018 < 1 - _share(_events(), _copies()) < 0.022
    copies: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _copies():
        copies[row["uuid"]].append(row)
    for first, second in (pair for pair in copies.values() if len(pair) > 1):
        assert second["created_at"] >= first["created_at"]
        same = ("event", "properties", "distinct_id", "person_id", "timestamp")
        assert [first[key] for key in same] == [second[key] for key in same]


def test_three_percent_come_late() -> None:
    """Median near zero, a heavy tail, a few days at most."""
    lateness = [(row["created_at"] - row["timestamp"]).total_seconds() for row in _firsts()]
    late = sorted(seconds for seconds in lateness if seconds >= 60)
    assert 0.025 < _share(late, lateness) < 0.035
    assert 0 < median(lateness) < 5
    assert 600 < median(late) < 3600
    assert 3 * 3600 < late[int(len(late) * 0.9)] < 86_400
    assert 86_400 < late[-1] <= 3 * 86_400


def test_some_clients_are_ahead_of_the_server() -> None:
    """A timestamp a little after created_at."""
    ahead = [row for row in _firsts() if row["timestamp"] > row["created_at"]]
    assert 0.01 < _share(ahead, _events()) < 0.02
    assert max(row["timestamp"] - row["created_at"] for row in ahead) <= timedelta(seconds=2.5)


def test_rows_become_visible_out_of_order() -> None:
    """Up to 90 seconds after created_at, whatever came before."""
    waits = [(row["visible_at"] - row["created_at"]).total_seconds() for row in _copies()]
    assert 0.5 <= min(waits) < 1
    assert 85 < max(waits) <= 90
    ordered = sorted(_copies(), key=lambda row: row["created_at"])
    overtaken = [a for a, b in pairwise(ordered) if a["visible_at"] > b["visible_at"]]
    assert _share(overtaken, ordered) > 0.05


def test_events_tie() -> None:
    """Within a second, some within a microsecond, many on created_at."""
    seconds = Counter(event["timestamp"].replace(microsecond=0) for event in _events())
    exactly = Counter(event["timestamp"] for event in _events())
    created = Counter(row["created_at"] for row in _copies())
    shares = [
        sum(count for count in counts.values() if count > 1) / len(_events())
        for counts in (seconds, exactly, created)
    ]
    assert shares[0] > 0.3
    assert 0.05 < shares[1] < 0.3
    assert shares[2] > 0.2


def test_people_come_back_geometrically() -> None:
    """Fewer and fewer on two, three, four days."""
    days: dict[str, set[Any]] = defaultdict(set)
    for event in _named("$pageview"):
        days[event["person_id"]].add(event["timestamp"].date())
    counts = Counter(len(found) for found in days.values())
    assert counts[1] > counts[2] > counts[3] > counts[4] > 0
    assert 0.3 < sum(n for days_, n in counts.items() if days_ > 1) / len(days) < 0.6
    assert max(counts) > 8


def test_a_distinct_id_has_one_person_and_some_persons_have_several() -> None:
    """Devices and users of one person; person_id is stable."""
    persons: dict[str, set[str]] = defaultdict(set)
    distinct_ids: dict[str, set[str]] = defaultdict(set)
    for event in _events():
        persons[event["distinct_id"]].add(event["person_id"])
        distinct_ids[event["person_id"]].add(event["distinct_id"])
    assert {len(found) for found in persons.values()} == {1}
    several = [found for found in distinct_ids.values() if len(found) > 1]
    assert 0.1 < _share(several, list(distinct_ids)) < 0.3


def test_identify_stands_in_the_middle_of_a_visit() -> None:
    """The device's id before, the user's after."""
    visits: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in sorted(_events(), key=lambda event: (event["timestamp"], event["event"])):
        if "$session_id" in event["properties"]:
            visits[event["properties"]["$session_id"]].append(event)
    merging = [
        (visit, index)
        for visit in visits.values()
        for index, event in enumerate(visit)
        if event["event"] == "$identify"
    ]
    assert len(merging) > 150
    for visit, index in merging:
        device = visit[index]["properties"]["$anon_distinct_id"]
        assert {event["distinct_id"] for event in visit[:index]} == {device}
        assert {event["distinct_id"] for event in visit[index:]} == {visit[index]["distinct_id"]}
    signed_up = {event["distinct_id"] for event in _named("user_signed_up")}
    assert signed_up <= {event["distinct_id"] for event in _named("$identify")}


def test_visits_have_several_events_minutes_apart() -> None:
    """Some bounce, most look around."""
    visits: dict[str, list[datetime]] = defaultdict(list)
    for event in _events():
        if "$session_id" in event["properties"]:
            visits[event["properties"]["$session_id"]].append(event["timestamp"])
    sizes = [len(visit) for visit in visits.values()]
    assert 4 < mean(sizes) < 6
    assert 0.05 < sizes.count(1) / len(sizes) < 0.3
    longest = max(max(visit) - min(visit) for visit in visits.values())
    assert timedelta(minutes=20) < longest < timedelta(hours=6)


def test_a_lead_follows_a_view_of_its_listing() -> None:
    """In the same visit."""
    viewed = defaultdict(list)
    for event in _named("property_view"):
        key = (event["properties"]["$session_id"], _listing(event))
        viewed[key].append(event["timestamp"])
    leads = [event for event in _named(*_LEADS) if _listing(event)]
    assert len(leads) > 500
    for lead in leads:
        assert min(viewed[lead["properties"]["$session_id"], _listing(lead)]) <= lead["timestamp"]


def test_few_listings_get_most_views() -> None:
    """Zipf: the top tenth has more than half."""
    views = Counter(_listing(event) for event in _named("property_view"))
    counts = sorted(views.values(), reverse=True)
    assert sum(counts[: len(counts) // 10]) > 0.5 * sum(counts)
    assert counts[0] > 1.3 * counts[1] > 1.3 * counts[2]


def test_calls_peak_at_ten_in_the_morning() -> None:
    """Local time; nobody calls at night."""
    hours = Counter(
        (lead["timestamp"].hour + (lead["properties"]["$timezone"] == "Africa/Lagos")) % 24
        for lead in _named(*_LEADS)
    )
    assert hours.most_common(1)[0][0] == 10
    assert sum(hours[hour] for hour in (0, 1, 2, 3, 4, 5)) == 0


def test_weeks_have_weekends_and_grow() -> None:
    """Sunday is the quietest day; the last week is much larger than the first."""
    weekdays = Counter(event["timestamp"].weekday() for event in _events())
    assert min(weekdays, key=lambda day: weekdays[day]) == 6
    begin = _END - timedelta(days=42)
    weeks = Counter((event["timestamp"] - begin).days // 7 for event in _events())
    assert 1.4 < weeks[5] / weeks[0] < 2.2


def test_all_timestamps_lie_in_the_window() -> None:
    """Not before the first day, not at or after the end."""
    stamps = [event["timestamp"] for event in _events()]
    assert _END - timedelta(days=42) <= min(stamps)
    assert max(stamps) < _END


def test_a_window_may_end_in_the_middle_of_a_day() -> None:
    """The rhythm of the day stays where it is."""
    end = datetime(2026, 11, 21, 15, 17, 11, tzinfo=UTC)
    made = list(make_all(Plan(5_000, 5, end, 1)))
    stamps = pa.concat_tables([part.table for part in made])["timestamp"].to_pylist()
    assert end - timedelta(days=5) <= min(stamps)
    assert max(stamps) < end
    hours = Counter(stamp.hour for stamp in stamps)
    assert sum(hours[h] for h in (1, 2, 3)) < 0.2 * sum(hours[h] for h in (9, 10, 11))


def test_events_weigh_what_real_ones_weigh() -> None:
    """About 900 bytes of properties."""
    assert 850 < _table()["properties"].nbytes / _table().num_rows < 1_000


def test_spellings_and_gaps_are_those_of_the_wild() -> None:
    """Old and new names of the same thing, missing ones, nulls."""
    leads = [lead["properties"] for lead in _named(*_LEADS)]
    assert {name for lead in leads for name in _LISTING_NAMES if name in lead} == set(
        _LISTING_NAMES
    )
    seekers = Counter(
        next((n for n in ("seeker_id", "seekerId") if n in lead), None) for lead in leads
    )
    assert set(seekers) == {"seeker_id", "seekerId", None}
    listers = {
        name
        for lead in leads
        for name in ("lister_id", "listerId", "developer_id", "agent_id")
        if name in lead
    }
    assert listers == {"lister_id", "listerId", "developer_id", "agent_id"}
    messages = Counter(
        lead["properties"].get("message_type", "absent") for lead in _named("lead_message")
    )
    assert set(messages) == {"whatsapp", "direct_message", "email", "absent", None}
    assert {event["properties"]["lead_type"] for event in _named("lead")} == {
        *("phone", "message", "appointment", "website")
    }
    platforms = {event["properties"]["platform"] for event in _named("impression_share")}
    assert platforms == {
        *("facebook", "whatsapp", "twitter", "instagram"),
        *("copy_link", "email", "linkedin", "telegram"),
    }


def test_some_leads_have_no_listing() -> None:
    """On a profile, or lost."""
    leads = [lead["properties"] for lead in _named(*_LEADS)]
    profiles = [lead for lead in leads if lead["context_type"] == "profile"]
    lost = [lead for lead in leads if lead.get("listing_id", 0) is None]
    assert 0.04 < _share(profiles, leads) < 0.08
    assert 0.005 < _share(lost, leads) < 0.02
    assert all("profile_id" in lead for lead in profiles)


def test_some_content_has_the_wrong_type() -> None:
    """Numbers where ids are text, booleans as text, amounts as text."""
    views = [event["properties"] for event in _named("property_view")]
    ids = [view[name] for view in views for name in _LISTING_NAMES if name in view]
    assert {type(value) for value in ids} == {str, int}
    assert {type(view["is_logged_in"]) for view in views} == {bool, str, type(None)}
    amounts = [event["properties"]["amount"] for event in _named("recharge")]
    assert {type(amount) for amount in amounts} == {int, str}


def test_text_has_emoji_quotes_and_newlines() -> None:
    """What breaks naive loaders."""
    text = "".join(_table()["properties"].to_pylist())
    notes = {event["properties"].get("notes") for event in _named("LeadUpdated")}
    assert "🏡" in text
    assert "\\u2764" in text
    assert 'Said: "not before March"\nSend brochure' in notes
    assert "Will call back on Monday " in notes


def test_personal_data_is_plainly_invented() -> None:
    """example.com, +1555 and 234803555 only."""
    captured = [event["properties"] for event in _named("lead_captured")]
    assert all(lead["phone"].startswith("+1555") for lead in captured)
    assert all(lead["email"] is None or lead["email"].endswith("@example.com") for lead in captured)
    numbers = {event["distinct_id"] for event in _named("recharge")}
    assert all(number.startswith("234803555") and len(number) == 13 for number in numbers)


def test_uuids_carry_their_time() -> None:
    """Version 7, in the order of milliseconds."""
    milliseconds = np.array([0, 1, 2**40], np.int64)
    zeros = np.zeros(3, np.uint64)
    assert uuid7(milliseconds, zeros, zeros).to_pylist() == [
        "00000000-0000-7000-8000-000000000000",
        "00000000-0001-7000-8000-000000000000",
        "01000000-0000-7000-8000-000000000000",
    ]
