"""The worked example of docs/adding-a-domain.md, made in a copy of the packages and used there."""

import shutil

import pytest

from leadpipe_tests.deleting import copy_without, run, run_tests
from leadpipe_tests.docs.markdown import ROOT, Block, blocks

_PAGE = ROOT / "docs" / "adding-a-domain.md"
_FOLDERS = ("leadpipe/listers/", "leadpipe_tests/listers/")
_LEFT = """
from leadpipe.definitions import build_defs
from leadpipe.published.tables import table_names
defs = build_defs()
print("listers" in table_names())
print("listers" in {key.to_user_string() for key in
      defs.resolve_job_def("sync").asset_layer.executable_asset_keys})
"""


def changed(change: Block, text: str) -> str:
    """The text after a change: its lines without + become its lines without -, in one place."""
    lines = change.text.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] != "+")
    new = "".join(line[1:] for line in lines if line[0] != "-")
    assert text.count(old) == 1, f"line {change.line}: {change.title} no longer has\n{old}"
    return text.replace(old, new)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The packages with the new domain: its files, and its line."""
    folder = copy_without(None, tmp_path_factory.mktemp("with"))
    for block in blocks(_PAGE):
        path = folder / block.title
        if block.language == "diff":
            path.write_text(changed(block, path.read_text(encoding="utf-8")), encoding="utf-8")
        elif block.title:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    return folder


def test_it_is_a_folder_and_a_line():
    """The page makes files in the domain's two folders, and changes one line of one other."""
    made = [block for block in blocks(_PAGE) if block.title and block.language != "diff"]
    assert [block.title for block in made if not block.title.startswith(_FOLDERS)] == []
    [change] = blocks(_PAGE, "diff")
    assert change.title == "leadpipe/domains.py"
    assert [line for line in change.text.splitlines() if line[0] != " "] == ['+    "listers",']


def test_it_keeps_the_rules(copy):
    """Format, lint and types are right, and no wall is crossed."""
    known = ROOT / ".mypy_cache"  # of `make lint`: only what the domain adds is looked at
    if known.is_dir():
        shutil.copytree(known, copy / ".mypy_cache", dirs_exist_ok=True)
    for words in (
        ("ruff", "format", "--check", *_FOLDERS),
        ("ruff", "check", *_FOLDERS),
        ("mypy", "-p", "leadpipe.listers"),
    ):
        done = run(copy, *words)
        assert done.returncode == 0, done.stdout + done.stderr


def test_its_tests_pass(copy):
    """Those of the new domain, and those of what gathers from the domains; warnings are errors."""
    names = ("listers", "test_domains.py", "test_walls.py", "dagster_ui/test_definitions.py")
    done = run_tests(copy, *(f"leadpipe_tests/{name}" for name in names))
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_has_found_it(copy):
    """The help names its command; its table is published; the sync job builds its asset."""
    said = run(copy, "leadpipe", "--help")
    lines = [line.split(maxsplit=1) for line in said.stdout.splitlines()]
    assert ["listers", "What each developer or agent got."] in lines, said.stderr
    (copy / "asked.py").write_text(f'"""What was found."""\n{_LEFT}')
    assert run(copy, "asked").stdout.split() == ["True", "True"]
