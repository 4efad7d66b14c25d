"""Every example in the pages is run, or at least parsed as its program would."""

import re
import shlex
from importlib.util import find_spec

import click
import duckdb
import pytest
from click.testing import CliRunner

import leadpipe.cli
from leadpipe.domains import HasTrial, parts
from leadpipe.published.reading import query
from leadpipe.settings import load_settings
from leadpipe_tests.docs.markdown import ROOT, Block, blocks, name_of, pages
from posthog_sandbox.__main__ import _parser as sandbox_parser

# These need a PostHog, or do not end by themselves; they are parsed.
_PARSED_ONLY = {"check", "sync", "demo", "up", "sandbox", "serve", "dagster"}
# These are run by leadpipe_tests/interactions/test_commands.py, which has a file for them.
_PARSED_ONLY |= {"sync-leads", "validate-leads"}
_PARSED_ONLY |= {"events"}  # by leadpipe_tests/events/project, against a PostHog
_PARSED_ONLY |= {
    "import"
}  # by leadpipe_tests/events/exported/test_import.py, which has files for it
_PARSED_ONLY |= {"worker", "prepare"}  # by leadpipe_tests/cluster, which has a broker
_PARSED_ONLY |= {"draws"}  # by leadpipe_tests/draws/test_commands.py
_PARSED_ONLY |= {
    "lake",
    "warehouse",
}  # by leadpipe_tests/events/test_keeping_commands.py, on a lake
_PARSED_ONLY_IN_GROUPS = [
    ["visitors", "sync"],
    ["visitors", "import"],
    ["source", "moved"],
    # run by leadpipe_tests/security/test_accounts.py, which types passwords
    *(["access", name] for name in ("add", "role", "password", "remove")),
    ["files", "take"],  # run by leadpipe_tests/events/exported, with a bucket
    ["today", "--send"],  # run by leadpipe_tests/today, with receivers
]
# Programs of the system that a page may use beside leadpipe, make, python and cp.
_SYSTEM = {
    ".",
    "cd",
    "cp",
    "curl",
    "docker",
    "git",
    "pipx",
    "ps",
    "setfacl",
    "sudo",
    "sudoedit",
    "tar",
}
_SYSTEM |= {".venv/bin/pytest"}
# dbt is run by leadpipe_tests/examples; what DuckDB's shell opens, by leadpipe_tests/cli/test_tables.py.
_SYSTEM |= {".venv-dbt/bin/dbt", "duckdb", "export"}
_SYSTEM |= {"eval"}  # of what `leadpipe completion` prints: leadpipe_tests/cli/test_terminals.py
_SYSTEM |= {"psql"}  # what it is given: leadpipe_tests/docs/test_lake.py
_MADE = ROOT / "docs" / "cli.md"
_LANGUAGES = {
    "bash",
    "caddyfile",
    "diff",
    "env",
    "html",
    "ini",
    "mermaid",
    "nginx",
    "python",
    "sql",
    "text",
    "toml",
}


def pages_with(language: str):
    """Runs a test once for each page that has a block of the language."""
    found = [page for page in pages() if blocks(page, language)]
    return pytest.mark.parametrize("page", found, ids=name_of)


def commands(page) -> list[list[str]]:
    """The words of every command in the page's bash blocks, without comments."""
    return [
        words
        for block in blocks(page, "bash")
        for line in block.text.replace("\\\n", " ").splitlines()
        if (words := shlex.split(line, comments=True))
    ]


def parse(words: list[str]) -> None:
    """Let click read a command's words, without running it."""
    context = leadpipe.cli.main.make_context("leadpipe", list(words))
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest and context.command.invoke_without_command:
            return
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)


@pages_with("bash")
def test_every_command_on_a_page_works(page, working_data, monkeypatch):
    """Commands of leadpipe exist and take these options; those that need no PostHog are run."""
    monkeypatch.setenv("COLUMNS", "200")
    for words in commands(page):
        if words[0].removeprefix(".venv/bin/") != "leadpipe":
            continue
        if page == _MADE or words[1] in _PARSED_ONLY or words[1:3] in _PARSED_ONLY_IN_GROUPS:
            parse(words[1:])
            continue
        result = CliRunner().invoke(leadpipe.cli.main, words[1:])
        assert result.exit_code == 0, f"{words}: {result.output}"


@pages_with("bash")
def test_other_commands_name_what_exists(page):
    """Make targets, modules, options and files to copy exist; no page uses an unknown program."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    wrong = []
    for words in commands(page):
        program, *rest = words
        if program == "make":
            wrong += [word for word in rest if "=" not in word and word not in targets]
        elif program.removeprefix(".venv/bin/") in ("python", "python3"):
            wrong += [] if rest[0] == "-m" and find_spec(rest[1]) else [" ".join(words)]
        elif program.removeprefix(".venv/bin/") == "posthog-sandbox":
            sandbox_parser().parse_args(
                rest
            )  # run by leadpipe_tests/posthog_sandbox/test_readme.py
        elif words[:2] == ["cp", ".env.example"] or words[:3] == ["install", "-m", "600"]:
            wrong += [] if (ROOT / ".env.example").exists() else [" ".join(words)]
        elif program.removeprefix(".venv/bin/") != "leadpipe" and program not in _SYSTEM:
            wrong.append(" ".join(words))
    assert wrong == []


@pages_with("sql")
def test_every_sql_example_runs(page, working_data):
    """SQL runs on the published tables; with file names in it, in a bare DuckDB shell."""
    for block in blocks(page, "sql"):
        if "read_parquet(" in block.text:
            assert duckdb.connect().execute(block.text).fetchall(), block
        elif not block.title:
            query(working_data / "published", block.text)


@pages_with("python")
def test_every_python_example_runs(page, working_data):
    """Python runs as it stands; blocks that are files belong to the worked example."""
    for block in blocks(page, "python"):
        if not block.title:
            exec(compile(block.text, f"{name_of(page)}:{block.line}", "exec"), {})


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_block_says_its_language(page):
    """A block of a language nobody checks would rot."""
    assert {block.language for block in blocks(page)} <= _LANGUAGES


def test_the_demos_output_looks_like_the_readme(working_data, capsys, monkeypatch):
    """Titles and column headers in the README are those that `make demo` prints."""
    for _, part in parts(HasTrial):
        part.show(load_settings())
    printed = {" ".join(line.split()) for line in capsys.readouterr().out.splitlines()}
    [block] = [b for b in blocks(ROOT / "README.md", "text") if b.text.startswith("Synced")]
    assert [line for line in _headers(block) if line not in printed] == []


def _headers(block: Block) -> list[str]:
    """Lines without numbers after the first table, which is that of any sync."""
    lines = block.text.partition("\n\n")[2].splitlines()
    return [" ".join(line.split()) for line in lines if line and not re.search(r"\d", line)]
