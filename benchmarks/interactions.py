"""A leads file of 100,000 leads takes in 50,000 contacts, beside a script that loads and dumps the JSON.

The script does what one would write first: it finds the lead, looks at every interaction for one within
five seconds, appends, and writes everything anew. It matches several events to one interaction, reformats
what people wrote, and locks and proves nothing.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.measure import OUT, Stopwatch, print_figures, run_in_turn
from leadpipe.interactions.reading import Question, Reading
from leadpipe.interactions.syncing import sync_file

NOW = datetime(2026, 11, 20, tzinfo=UTC)
_FOLDER = OUT / "interactions"


def _stamp(rng: random.Random) -> str:
    moment = NOW - timedelta(milliseconds=rng.randrange(30 * 86_400_000))
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def make(leads: int, events: int) -> None:
    """A file of leads with up to three interactions, and events of which a tenth is in the file."""
    rng = random.Random(4)
    people: list[dict[str, Any]] = [
        {
            "id": f"lead-{number}",
            "name": f"Person {number} Çelik",
            "phone": f"+1876{number:07d}",
            "programId": "program-1",
            "cycle": {"id": "cycle-1", "label": "Intake 2026-09"},
            "interactions": [
                {"loggedAt": _stamp(rng), "contactOutcome": "conversation", "notes": "Called back."}
                for _ in range(rng.randrange(4))
            ],
            "tags": ["a", "b"],
        }
        for number in range(leads)
    ]
    contacts = {}
    for number in range(events):
        person = people[rng.randrange(leads)]
        known = person["interactions"]
        is_there = known and rng.random() < 0.1
        contacts[f"00000000-0000-4000-8000-{number:012d}"] = json.dumps(
            {
                "leadId": person["id"],
                "contactOutcome": rng.choice(["conversation", "not_reached"]),
                "interestLevel": "curious",
                "notes": "Wants to know about the price, and when the next course begins. ",
                "loggedAt": known[0]["loggedAt"] if is_there else _stamp(rng),
                "tenant": "tenant-1",
                "programId": "program-1",
                "programName": "Massage Therapy",
                "cycleId": "cycle-1",
                "cycleLabel": "Intake 2026-09",
            }
        )
    _FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(people, indent=2, ensure_ascii=False)
    (_FOLDER / "template.json").write_text(text + "\n", encoding="utf-8")
    (_FOLDER / "events.json").write_text(json.dumps(contacts), encoding="utf-8")


def leadpipe(path: Path, events: dict[str, str]) -> None:
    """One sync of a file, from events at hand to the file on disk."""
    question = Question("tenant-1", "program-1", NOW - timedelta(days=30), NOW)
    report = sync_file(
        path,
        Reading("posthog", events, NOW),
        question,
        is_dry_run=False,
        lock_timeout_seconds=1,
    )
    assert report.counts["added"] + report.already_there == len(events), report.counts


def script(path: Path, events: dict[str, str]) -> None:
    """Load, append, dump."""
    people = json.loads(path.read_text(encoding="utf-8"))
    by_id = {person["id"]: person for person in people}
    for text in events.values():
        properties = json.loads(text)
        interactions = by_id[properties["leadId"]]["interactions"]
        at = datetime.fromisoformat(properties["loggedAt"])
        if not any(
            abs(datetime.fromisoformat(one["loggedAt"]) - at) <= timedelta(seconds=5)
            for one in interactions
        ):
            names = ("loggedAt", "contactOutcome", "interestLevel", "notes")
            interactions.append({name: properties[name].strip() for name in names})
    path.write_text(json.dumps(people, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def run(*, is_full: bool) -> None:
    """Measure both; the size of the budget is small enough to be the only one."""
    del is_full
    # In a process of its own: what this one holds would count as its children's peak.
    subprocess.run([sys.executable, "-m", "benchmarks.interactions", "make"], check=True)
    figures = run_in_turn(
        {side: ["benchmarks.interactions", side] for side in ("leadpipe", "script")}
    )
    print_figures("interactions: 100,000 leads, 50,000 contacts", figures, against="script")


def main() -> None:
    """One side, measured: `python -m benchmarks.interactions leadpipe`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=["make", "leadpipe", "script"])
    side = parser.parse_args().side
    if side == "make":
        make(100_000, 50_000)
        return
    path = _FOLDER / f"{side}.json"
    shutil.copyfile(_FOLDER / "template.json", path)
    events = json.loads((_FOLDER / "events.json").read_text(encoding="utf-8"))
    with Stopwatch():
        {"leadpipe": leadpipe, "script": script}[side](path, events)


if __name__ == "__main__":
    main()
