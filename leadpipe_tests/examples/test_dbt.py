"""The dbt example: built and tested by dbt itself on published tables, without the network."""

import json
import os
import shlex
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from leadpipe.published.reading import query
from leadpipe.published.tables import table_names
from leadpipe_tests.docs.markdown import ROOT, blocks

_PROJECT = ROOT / "examples" / "dbt"
_MADE = ROOT / ".venv-dbt" / "bin" / "dbt"
_WHERE = ("--project-dir", "examples/dbt", "--profiles-dir", "examples/dbt")
_NOWHERE = "http://127.0.0.1:9"
_SECONDS = 240


@pytest.fixture
def dbt() -> str:
    """The program: the one that LEADPIPE_DBT names, else that of `make examples`."""
    named = os.environ.get("LEADPIPE_DBT")
    found = named or (str(_MADE) if _MADE.exists() else None)
    if found is None:
        pytest.skip(
            "dbt is not there, so its example was NOT run: `make examples` makes .venv-dbt, "
            "LEADPIPE_DBT names a dbt that is elsewhere"
        )
    if not Path(found).exists():
        pytest.fail(f"LEADPIPE_DBT={found} is no program")
    return found


@pytest.fixture
def run(dbt, published, tmp_path):
    """Runs dbt in a copy of the project: `run("build")`."""
    project = tmp_path / "examples" / "dbt"
    shutil.copytree(_PROJECT, project, ignore=shutil.ignore_patterns("target", "logs", "*.duckdb"))
    personal = published.with_name("published-personal")
    environment = {
        # dbt has an environment of its own, and keeps the machine's time.
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "LEADPIPE_PUBLISHED": str(published / "current"),
        "LEADPIPE_PUBLISHED_PERSONAL": str(personal / (published / "current").resolve().name),
        "LEADPIPE_DBT_DATABASE": str(tmp_path / "made.duckdb"),
        "HTTP_PROXY": _NOWHERE,
        "HTTPS_PROXY": _NOWHERE,
        "NO_PROXY": "",
    }

    def ran(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [dbt, "--no-use-colors", *words, *_WHERE],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    return ran


def end_runs_at_true_time(published: Path) -> None:
    """Let the runs have ended when the files were written: DuckDB's clock follows no test's."""
    runs = published / "current" / "runs.parquet"
    written = datetime.fromtimestamp(runs.stat().st_mtime, UTC)
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE runs AS SELECT * REPLACE (CAST(? AS TIMESTAMPTZ) AS finished_at) FROM '{runs}'",
            [written],
        )
        runs.unlink()
        connection.execute(f"COPY runs TO '{runs}' (FORMAT parquet)")


def results(folder: Path) -> dict[str, str]:
    """What came of each node of the last command."""
    said = json.loads((folder / "examples" / "dbt" / "target" / "run_results.json").read_text())
    return {each["unique_id"].split(".", 1)[1]: each["status"] for each in said["results"]}


def test_the_documented_lines_are_those_that_are_run():
    """docs/bi.md types what the tests type."""
    lines = [
        shlex.split(line)
        for block in blocks(ROOT / "docs" / "bi.md", "bash")
        for line in block.text.splitlines()
        if "/dbt " in line
    ]
    program = ".venv-dbt/bin/dbt"
    assert lines == [[program, "build", *_WHERE], [program, "source", "freshness", *_WHERE]]


def test_dbt_builds_and_tests_the_example(run, published, tmp_path):
    """Every model is built, every test passes, and the funnel has the numbers of the tables."""
    done = run("build")
    assert done.returncode == 0, done.stdout + done.stderr
    found = results(tmp_path)
    assert set(found.values()) == {"success", "pass"}
    assert len([name for name in found if "source_unique" in name]) >= 14
    with duckdb.connect(str(tmp_path / "made.duckdb"), read_only=True) as made:
        [funnel] = made.execute(
            "SELECT sum(views)::BIGINT, sum(lead_actions)::BIGINT, sum(converted)::BIGINT FROM lead_funnel"
        ).fetchall()
        [weeks] = made.execute(
            "SELECT sum(visitors)::BIGINT, sum(new_leads)::BIGINT > 0 FROM visitors_and_leads"
        ).fetchall()
        [answered] = made.execute("SELECT sum(answered)::BIGINT FROM response_times").fetchall()
    [(views, actions, converted)] = query(
        published,
        "SELECT sum(total_views)::BIGINT, sum(total_leads)::BIGINT, "
        "(SELECT count(*) FROM grouped_leads WHERE status = 'converted' AND listing_id IS NOT NULL) "
        "FROM listings",
    ).rows
    assert funnel == (views, actions, converted)
    assert 0 not in funnel
    assert weeks == (
        query(published, "SELECT sum(visitors)::BIGINT FROM visitor_metrics").rows[0][0],
        True,
    )
    assert (
        answered
        == query(published, "SELECT count(first_response_seconds) FROM grouped_leads").rows[0]
    )


def test_dbt_reads_every_source(run, published, tmp_path):
    """Each published table has a source that can be read, those with personal data too, and is fresh."""
    end_runs_at_true_time(published)
    looked = run("source", "freshness")
    assert looked.returncode == 0, looked.stdout + looked.stderr
    fresh = json.loads((tmp_path / "examples" / "dbt" / "target" / "sources.json").read_text())
    assert [each["status"] for each in fresh["results"]] == ["pass"]
    sources = ROOT / "examples" / "dbt" / "models" / "sources.yml"
    assert "leadpipe_personal" in sources.read_text()
    model = tmp_path / "examples" / "dbt" / "models" / "all_sources.sql"
    model.write_text(
        "{% for node in graph.sources.values() if execute %}"
        "SELECT '{{ node.name }}' AS name, count(*) AS rows_there "
        "FROM {{ source(node.source_name, node.name) }}"
        "{{ ' UNION ALL ' if not loop.last }}{% else %}SELECT '' AS name, 0 AS rows_there{% endfor %}"
    )
    done = run("run", "--select", "all_sources")
    assert done.returncode == 0, done.stdout + done.stderr
    with duckdb.connect(str(tmp_path / "made.duckdb"), read_only=True) as made:
        there = dict(made.execute("SELECT * FROM all_sources").fetchall())
    assert there == {
        table: query(published, f"SELECT count(*) FROM {table}").rows[0][0]
        for table in table_names()
    }


def test_a_key_that_comes_twice_fails_the_build(run, published):
    """The tests of the sources are real: a listing that is there twice stops what is built on it."""
    listings = max((published / "current" / "listings").glob("*.parquet"))  # the latest month
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE twice AS SELECT * FROM '{listings}'")
        connection.execute("INSERT INTO twice SELECT * FROM twice LIMIT 1")
        listings.unlink()
        connection.execute(f"COPY twice TO '{listings}' (FORMAT parquet)")
    done = run("build", "--select", "source:leadpipe.listings+")
    assert done.returncode == 1
    assert "source_unique_leadpipe_listings_listing_id" in done.stdout
