"""A lake holds what a file holds: one walk through all domains, compared table by table, row by row."""

import secrets
import uuid
from itertools import count
from pathlib import Path

import pytest

from leadpipe.places import Lake
from leadpipe.warehouse import CURRENT, Warehouse, memory
from leadpipe_tests.lake.walk import STEPS

_NAMES_OF_CHANCE = {"published_files": "name"}  # a file's name is no other file's
_NOT_WALKED = (
    "accepted_days",
    "changed_days",
    "compared_names",
    "dismissed_events",
    "event_looks",
    "exported_days",
    "exported_files",
    "file_downloads",
    "hidden_days",
    "interaction_syncs",
    "notes_to_erase",
    "posthog_retention",
    "seen_events",
    "source_moves",
    "sources",
    "unconfirmed_events",
    "visitor_syncs",
    "webhook_arrivals",
)
"""Tables that only questions to PostHog, files and syncs fill, or that are empty between two runs."""


@pytest.fixture
def no_chance(monkeypatch):
    """Draws and reports have the same secrets and names in each walk; call it before one."""

    def begin_again() -> None:
        numbers = count(1)
        monkeypatch.setattr(secrets, "token_hex", lambda size: f"{next(numbers):0{2 * size}x}")
        monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=next(numbers)))

    return begin_again


def whole(warehouse: Warehouse) -> dict[str, list[str]]:
    """All rows of all tables."""
    with warehouse.connect() as connection:
        names = [str(name) for (name,) in connection.execute("SHOW TABLES").fetchall()]
        return {
            name: sorted(
                repr(row)
                for row in connection.execute(
                    f"SELECT {_NAMES_OF_CHANCE.get(name, '*')} FROM {name}"
                ).fetchall()
            )
            for name in names
            if name != "key_filters"  # of files beside the file, which a lake has not
        }


def published(folder: Path) -> dict[str, list[str]]:
    """All rows of all published files, in their order."""
    found = {}
    for place in ("published", "published-personal"):
        files = (folder / place / (folder / "published" / CURRENT).resolve().name).rglob(
            "*.parquet"
        )
        for file in files:
            with memory() as connection:
                rows = connection.execute(f"FROM read_parquet('{file}')").fetchall()
            name = file.relative_to(folder / place).as_posix().partition(".")[0]
            found[f"{place}/{name}"] = [repr(row) for row in rows]
    return found


@pytest.mark.file_only("compares the file with a lake")
def test_a_lake_holds_what_a_file_holds(tmp_path, no_chance):
    """After each step of a walk through all domains, all tables have the same rows."""
    told: dict[str, list[str]] = {}
    tables: dict[str, list[dict[str, list[str]]]] = {}
    files = {}
    for name in ("file", "lake"):
        folder = tmp_path / name / "data"
        folder.mkdir(parents=True)
        lake = Lake(f"{folder}/catalog.ducklake", f"{folder}/lake/") if name == "lake" else None
        warehouse = Warehouse(folder / "leadpipe.duckdb", lake=lake)
        no_chance()
        with warehouse.connect():
            pass
        told[name], tables[name] = [], []
        for step in STEPS:
            told[name].append(repr(step(warehouse, folder)))
            tables[name].append(whole(warehouse))
        files[name] = published(folder)
    for number, step in enumerate(STEPS):
        assert told["lake"][number] == told["file"][number], step.__name__
        ours, theirs = tables["lake"][number], tables["file"][number]
        assert ours.keys() == theirs.keys()
        for table in theirs:
            assert ours[table] == theirs[table], (step.__name__, table)
    assert files["lake"] == files["file"]
    filled = {name for after in tables["file"] for name, rows in after.items() if rows}
    assert sorted(tables["file"][-1].keys() - filled) == sorted(_NOT_WALKED)
