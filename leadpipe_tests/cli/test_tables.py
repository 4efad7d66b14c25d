"""`leadpipe tables`: what is published, and the views that any DuckDB makes of it."""

import json

import duckdb
import pytest
from click.testing import CliRunner

import leadpipe
import leadpipe.cli
from leadpipe.errors import NotPublished
from leadpipe.published.questions import questions
from leadpipe.published.reading import first_rows
from leadpipe.published.tables import table_names
from leadpipe_tests.web.builders import publish_some


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """Types a command over a folder with something published, in which a quote is in the way."""
    folder = tmp_path / "it's here"
    folder.mkdir()
    publish_some(folder)
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(folder / "data"))
    return lambda *words: CliRunner().invoke(leadpipe.cli.main, words)


def test_tables_are_listed_with_their_rows(typed):
    """Every table, how many rows it has, and files that DuckDB reads; those with personal data are marked."""
    result = typed("tables", "--json")
    assert result.exit_code == 0, result.output
    found = {row["table"]: row for row in json.loads(result.stdout)}
    assert sorted(found) == sorted(table_names())
    assert {name for name, row in found.items() if row["is_personal"]} <= {
        "lead_edits",
        "succeeded_leads",
        "failed_leads",
    }
    for row in found.values():
        counted = duckdb.connect().read_parquet(row["files"]).count("*").fetchall()
        assert counted == [(row["rows"],)]


def test_the_views_follow_what_is_published(typed, tmp_path):
    """A DuckDB that has run the file answers every question as leadpipe does, also after the next sync."""
    assert typed("tables", "--sql", "tables.sql").exit_code == 0
    folder = tmp_path / "it's here"
    with duckdb.connect(str(tmp_path / "views.duckdb")) as shell:
        shell.execute((tmp_path / "tables.sql").read_text())
        for run_id in ("run-1", "run-2"):
            publish_some(folder, run_id=run_id)
            for question in questions():
                answer = first_rows(
                    folder / "data" / "published", question.sql, most_rows=1_000, seconds=60.0
                )
                assert shell.execute(question.sql).fetchall() == list(answer.rows.rows), (
                    question.name
                )


def test_personal_tables_are_in_the_file_only_where_asked_for(typed, tmp_path):
    """Without the option nothing leads to them; with it each table has a view."""
    rows = json.loads(typed("tables", "--json").stdout)
    shared = {row["table"] for row in rows if not row["is_personal"]}
    for options, expected in (((), shared), (("--personal",), {*table_names()})):
        assert typed("tables", "--sql", "tables.sql", *options).exit_code == 0
        with duckdb.connect() as shell:
            shell.execute((tmp_path / "tables.sql").read_text())
            views = {name for (name,) in shell.execute("SHOW TABLES").fetchall()}
        assert views == expected


def test_a_query_reads_one_publication_as_a_frame(typed):
    """`leadpipe.query` gives what the SELECT says; a table that is not there is named."""
    frame = leadpipe.query("SELECT count(*) AS views FROM listings WHERE total_views > 0")
    assert frame.to_dict("records") == [{"views": 2}]
    with pytest.raises(NotPublished, match="nowhere"):
        leadpipe.query("SELECT * FROM nowhere")


def test_nothing_published_is_said(tmp_path, monkeypatch):
    """One line says so, and no file is made."""
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(tmp_path / "empty"))
    for options in ((), ("--sql", "tables.sql")):
        result = CliRunner().invoke(leadpipe.cli.main, ["tables", *options])
        assert result.exit_code == 1
        assert "Nothing is published" in result.output
    assert not (tmp_path / "tables.sql").exists()
