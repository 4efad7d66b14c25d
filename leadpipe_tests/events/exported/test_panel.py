"""The panel of files: what was refused with its next step, downloads, and days that wait for their proof."""

from datetime import date, timedelta

import pytest

from leadpipe.published.tables import publish_tables
from leadpipe_tests.clocks import NOW
from leadpipe_tests.web.builders import panels, publish_some
from leadpipe_tests.web.fake_dagster import FakeDagster

KEY = "exports/2026-11-20T11:00:00+00:00-2026-11-20T12:00:00+00:00.parquet"


@pytest.fixture
def published(warehouse, tmp_path):
    """Publish files and downloads: `published(files=[(key, state, reason)], downloads=[(state, reason)])`."""

    def publish(*, files=(), downloads=(), days=()):
        with warehouse.connect() as connection:
            for key, state, reason in files:
                connection.execute(
                    "INSERT INTO exported_files BY NAME SELECT $key AS key, 'e' AS e_tag, 1000 AS size, "
                    "$now AS interval_end, 'events' AS model, $state AS state, $reason AS reason, "
                    "7 AS rows, 5 AS events_new, $now AS first_seen_at, $now AS taken_at",
                    {"key": key, "state": state, "reason": reason, "now": NOW},
                )
            for number, (state, reason) in enumerate(downloads):
                connection.execute(
                    "INSERT INTO file_downloads BY NAME SELECT $id AS export_id, $start AS span_start, "
                    "$now AS span_end, 80 AS rows_expected, 'm' AS mapping, $state AS state, "
                    "$reason AS reason, 2 AS files, 79 AS rows, 'r' AS run_id, 'r' AS attempt_id, "
                    "$now AS asked_at",
                    {
                        "id": str(number),
                        "start": NOW - timedelta(days=7),
                        "now": NOW,
                        "state": state,
                        "reason": reason,
                    },
                )
            for day in days:
                connection.execute("INSERT INTO exported_days VALUES (?)", [day])
            publish_tables(connection, tmp_path / "data" / "published", now=NOW)

    return publish


def test_without_files_there_is_no_panel(tmp_path, start):
    """Whoever uses the query lane alone sees nothing of files."""
    publish_some(tmp_path)
    assert "events/files.html" not in panels(start())


def test_a_refused_file_has_its_reason_and_the_next_step(published, start):
    """In words, with the command that takes it by its key; what is wrong comes first."""
    published(
        files=[
            ("exports/a file.parquet", "waiting", None),
            (KEY, "taken", None),
            ("exports/it's cut.parquet", "unreadable", "it is cut off"),
        ]
    )
    panel = panels(start())["events/files.html"]
    assert (panel["taken"], panel["refused_count"]) == (1, 2)
    assert [
        (row["key"], row["said"], row["reason"], row["command"]) for row in panel["refused"]
    ] == [
        (
            "exports/it's cut.parquet",
            "could not be read",
            "It is cut off.",
            "leadpipe files take 'exports/it'\"'\"'s cut.parquet'",
        ),
        ("exports/a file.parquet", "waits for its manifest", "", None),
    ]
    assert [row["key"] for row in panel["latest"]] == [KEY]


def test_the_page_shows_downloads_and_days_that_wait(published, start):
    """What was asked of PostHog and is not here yet, what failed and why, and the asset in Dagster."""
    published(downloads=[("asked", None), ("failed", "PostHog lost it")], days=[date(2026, 11, 19)])
    text = start(dagster=FakeDagster()).get("/admin/sync").text
    for part in (
        "asked for, not taken in yet",
        "failed; read by query instead</span> PostHog lost it",
        "1 day that files changed will be compared with PostHog by the next sync",
        'href="http://127.0.0.1:3000/assets/exported_files"',
    ):
        assert part in text
