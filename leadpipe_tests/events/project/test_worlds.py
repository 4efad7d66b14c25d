"""From a project to its leads with nothing edited: suggest, try, sync, and what the commands then list."""

import json

import pytest

import leadpipe
from leadpipe_tests.events.project.worlds import cars, own_names, portal, quoted, seeds, services


def done(result):
    """A command's output, which succeeded."""
    assert result.exit_code == 0, result.output
    return result


def tried(run) -> dict[str, tuple[int, ...]]:
    """What `events try` says: counts by what they are."""
    rows = json.loads(done(run("events", "try", "--days", "3", "--json")).stdout)
    return {row.pop("what"): tuple(row.values()) for row in rows}


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (own_names, (240, 30, {"whatsapp": 20, "phone": 20, "email": 20})),
        (cars, (90, 15, {"phone": 20, "appointment": 10})),
        (quoted, (20, 5, {"phone": 5})),
        (portal, (80, 16, {"phone": 24, "appointment": 8})),
        (services, (90, 18, {"phone": 20, "direct_message": 10})),
    ],
)
def test_a_team_with_names_of_its_own(run, sandbox, yesterday, tmp_path, world, expected):
    """What is suggested brings every view and every lead, of the right kind, and try said so before."""
    views, listings, kinds = expected
    lead_events = sum(kinds.values())
    sandbox.control.insert(list(world(yesterday)))
    done(run("events", "suggest"))
    outcome = tried(run)
    assert outcome["events: view"] == (views, 0)
    assert outcome["events: lead"] == (lead_events, 0)
    assert outcome["listings"] == (listings, 0)
    assert not [what for what in outcome if what.startswith("rejected")]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["events.toml"]
    done(run("sync"))
    found = json.loads(done(run("leads", "list", "--json", "--limit", "100")).stdout)
    assert sum(lead["total_actions"] for lead in found) == lead_events
    shown = json.loads(done(run("listings", "--json", "--limit", "100")).stdout)
    assert len(shown) == listings
    assert sum(each["total_views"] for each in shown) == views
    assert sum(each["total_leads"] for each in shown) == lead_events
    kept = leadpipe.read("raw_events", first=yesterday.date(), last=yesterday.date())
    stored = kept[kept["meaning"] == "lead"]["lead_type"].value_counts()
    assert stored.to_dict() == kinds


def test_the_seeds_names_need_nothing(run, sandbox, yesterday, tmp_path):
    """A project with the built-in names gets no file, and is told why."""
    sandbox.control.insert(list(seeds(yesterday)))
    result = done(run("events", "suggest"))
    assert "Nothing to suggest: of 2 event names" in result.stderr
    assert not (tmp_path / "data" / "events.toml").exists()
    assert tried(run)["events: view"] == (40,)
    result = done(run("sync"))
    assert "no table uses" not in result.stderr
    found = json.loads(done(run("leads", "list", "--json")).stdout)
    assert sum(lead["total_actions"] for lead in found) == 6
