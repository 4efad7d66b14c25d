"""docs/lake.md: its settings make a cluster, its shell reads and cannot write, its commands exist."""

import re
import shlex

import duckdb
import psycopg
import pytest

from leadpipe.cli.prepare import prepare
from leadpipe.cli.worker import worker
from leadpipe.places import Lake
from leadpipe.settings import Settings, load_settings
from leadpipe.warehouse import Warehouse, extensions, locks
from leadpipe_tests.deploy.services import COMPOSE, read
from leadpipe_tests.docs.markdown import ROOT, blocks, sections

_PAGE = ROOT / "docs" / "lake.md"
_READER = ROOT / "deploy" / "cluster" / "reader.sql"


def words_of(language: str = "bash") -> list[list[str]]:
    """The lines that are typed."""
    return [
        shlex.split(line) for block in blocks(_PAGE, language) for line in block.text.splitlines()
    ]


def test_its_settings_make_a_lake_and_a_cluster(monkeypatch, tmp_path):
    """As they stand there, in a `.env`: leadpipe takes every one of them."""
    [block] = blocks(_PAGE, "env")
    for line in block.text.splitlines():
        name = line.partition("=")[0]
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text(block.text)
    settings = load_settings(Settings)
    assert settings.lake is not None
    assert (settings.lake.postgres, settings.lake.data) == (
        "host=postgres dbname=lake user=leadpipe",
        "s3://leadpipe/lake/",
    )
    assert str(settings.lake.state).split() == ["host=postgres", "user=leadpipe", "dbname=state"]
    assert settings.needed_cluster().workers == 4
    assert settings.needed_cluster().postgres == "postgresql://leadpipe@postgres/dagster"


def test_its_commands_exist():
    """Workers take the options of the page; `docker compose` names services that there are."""
    whole = read(COMPOSE, variables={"LEADPIPE_WEB_NAMES": "stats.example.org"})
    for words in words_of():
        if words[:2] == ["leadpipe", "worker"]:
            assert worker.make_context("worker", words[2:]).params["at_once"] >= 1
        if words[0] == "docker":
            scaled = [word.partition("=")[0] for word in words if re.fullmatch(r"\w+=\d+", word)]
            called = words[words.index("exec") + 1] if "exec" in words else "page"
            assert {*scaled, called} <= {*whole["services"]}
        if words[0] == "psql" and "--file" in words:
            assert (ROOT / words[words.index("--file") + 1]) == _READER
    profiled = {
        name for name, one in whole["services"].items() if "cluster" in one.get("profiles", ())
    }
    text = sections(_PAGE, level=2)["From one file to four workers"]
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == profiled - {"bucket"}


def test_its_locks_are_the_real_ones():
    """The names that errors have are on the page."""
    named = re.findall(r"`(\w+)`", sections(_PAGE, level=2)["What runs at once"])
    assert {*locks.ORDER} <= {*named}


def test_a_persons_shell_reads_and_cannot_write(postgres, tmp_path):
    """By the role of `reader.sql` and the statements of the page, from a folder in place of a bucket."""
    address = postgres.new_database()
    lake = Lake(f"postgres:{address}", f"{tmp_path}/lake/")
    with Warehouse(tmp_path / "data" / "x.duckdb", lake=lake).connect() as connection:
        connection.execute("CREATE TABLE something AS SELECT 1 AS n")
    for _ in range(2):
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(_READER.read_text())
    [block] = blocks(_PAGE, "text")
    statements = [one.strip() for one in block.text.split(";\n") if one.strip()]
    own = address.replace("user=postgres", "user=reader")
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as shell:
        extensions.load(shell, extensions.LAKE)
        for statement in statements:
            if not statement.startswith("INSTALL"):
                shell.execute(statement.replace("host=postgres dbname=lake user=reader", own))
        assert shell.execute("SELECT n FROM lake.something").fetchall() == [(1,)]
        with pytest.raises(duckdb.Error, match="read-only"):
            shell.execute("INSERT INTO lake.something VALUES (2)")
        shell.execute("DETACH lake")
        with pytest.raises(duckdb.Error, match=r"read-only|permission denied"):
            shell.execute(f"ATTACH 'ducklake:postgres:{own}' AS lake")
            shell.execute("INSERT INTO lake.something VALUES (2)")
    with psycopg.connect(own) as mine, pytest.raises(psycopg.Error, match="read-only"):
        mine.execute("DELETE FROM ducklake_snapshot")


def test_its_program_is_one_of_the_commands():
    """What is typed once, before the services start."""
    typed = [words for words in words_of() if words[-1] == "prepare"]
    assert [words[-2].rpartition("/")[2] for words in typed] == ["leadpipe"]
    assert prepare.name == "prepare"
