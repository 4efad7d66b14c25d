"""leadpipe from its wheel: no clone, an empty folder, and the commands that a new user types."""

import sys
from pathlib import Path

import pytest

from leadpipe_tests.installed import build_wheel, try_it, typed


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The `leadpipe` of a virtual environment that has the wheel; its dependencies are those of this one."""
    wheel = build_wheel(tmp_path)
    typed(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    typed(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"),
        *("--no-index", "--disable-pip-version-check", wheel),
        cwd=tmp_path,
    )
    ask = ("-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    site, ours = (typed(one, *ask, cwd=tmp_path).strip() for one in (python, sys.executable))
    (Path(site) / "dependencies.pth").write_text(f"{ours}\n")  # looked at after the wheel's files
    found = typed(python, "-c", "import leadpipe; print(leadpipe.__file__)", cwd=tmp_path)
    assert Path(found.strip()).is_relative_to(site)
    return python.with_name("leadpipe")


def test_demo_and_up_in_an_empty_folder(machine_clock, installed, tmp_path):
    """Everything it needs is in the wheel; `make test-installed` does the same with real downloads."""
    (tmp_path / "empty").mkdir()
    try_it(installed, tmp_path / "empty")
