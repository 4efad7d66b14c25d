"""The worked example of docs/adding-a-domain.md, made in a copy of the packages and run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from leadpipe_tests.docs.markdown import ROOT, Block, blocks

_PAGE = ROOT / "docs" / "adding-a-domain.md"
_TIMEOUT_SECONDS = 120


_SHARED = ("__init__.py", "conftest.py", "clocks.py", "events/__init__.py", "events/builders.py")


def apply(change: Block, folder: Path) -> None:
    """Make a change: its lines without + become its lines without -, in one place of the file."""
    lines = change.text.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] != "+")
    new = "".join(line[1:] for line in lines if line[0] != "-")
    path = folder / change.title
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"line {change.line}: {change.title} no longer has\n{old}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def run(folder: Path, *arguments: str) -> None:
    """Run a Python module in the copy; fail with what it said."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(folder), os.environ["PYTHONPATH"])),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_worked_example_works(tmp_path):
    """Its files and changes pass the linter, and its tests pass, warnings being errors."""
    copy = tmp_path / "copy"
    ignored = shutil.ignore_patterns("__pycache__")
    for package in ("leadpipe", "posthog_sandbox"):
        shutil.copytree(ROOT / package, copy / package, ignore=ignored)
    for name in _SHARED:
        (copy / "leadpipe_tests" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "leadpipe_tests" / name, copy / "leadpipe_tests" / name)
    shutil.copy(ROOT / "pyproject.toml", copy)
    made = [block for block in blocks(_PAGE) if block.title and block.language != "diff"]
    for block in made:
        path = copy / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
    for block in blocks(_PAGE, "diff"):
        apply(block, copy)
    changed = {b.title for b in blocks(_PAGE) if b.title.endswith(".py")}
    run(copy, "ruff", "format", "--check", *sorted(changed))
    run(copy, "ruff", "check", *sorted(changed))
    run(copy, "pytest", "-p", "no:cacheprovider", "leadpipe_tests/listers")
