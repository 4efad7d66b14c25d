"""Row 4: a kept secret is whole and its owner's alone, or nothing starts with it."""

import itertools
import os
import subprocess
import sys

import pytest

from leadpipe.errors import ConfigurationError
from leadpipe.web.kept import kept_secret

_FILES = ("session_key", "admin_token", "dagster_key")


@pytest.mark.parametrize("name", _FILES)
@pytest.mark.parametrize("content", ["", "\n", "short\n", " " * 60])
def test_an_empty_or_cut_off_secret_is_refused(start, tmp_path, name, content):
    """The start ends with a line that names the file and the next step; nothing is signed with it."""
    file = tmp_path / "data" / name
    file.parent.mkdir()
    file.touch(mode=0o600)
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=rf"{name} holds no whole secret .* Remove it"):
        start(is_public=True)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666])
def test_a_secret_that_others_can_read_is_refused(tmp_path, mode):
    """With the command that mends it."""
    file = tmp_path / "admin_token"
    secret = kept_secret(file)
    file.chmod(mode)
    with pytest.raises(
        ConfigurationError, match=f"others at this machine can read it: chmod 600 {file}"
    ):
        kept_secret(file)
    file.chmod(0o600)
    assert kept_secret(file) == secret


def test_a_full_disk_leaves_no_secret(tmp_path, monkeypatch):
    """What could not be written whole has no name, and the next start makes it anew."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "session_key"
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(ConfigurationError, match="cannot be written: No space left on device"):
            kept_secret(file)
    assert list(tmp_path.iterdir()) == []
    assert len(kept_secret(file)) >= 40


@pytest.mark.parametrize("step", ["mkstemp", "fdopen", "link"])
def test_a_kill_leaves_no_half_secret(tmp_path, step):
    """Killed before any of the steps, the file is not there or whole."""
    module = {"mkstemp": "tempfile", "fdopen": "os", "link": "os"}[step]
    program = (
        f"import os, signal, {module}\n"
        "from pathlib import Path\n"
        "from leadpipe.web.kept import kept_secret\n"
        f"{module}.{step} = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "kept_secret(Path('session_key'))\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False)
    assert killed.returncode == -9
    assert not (tmp_path / "session_key").exists()
    assert len(kept_secret(tmp_path / "session_key")) >= 40


def test_two_that_start_together_have_one_secret(tmp_path, monkeypatch):
    """Who comes second takes the first one's."""
    file = tmp_path / "session_key"
    made = itertools.count()

    def numbered(_: int) -> str:
        if next(made) == 0:
            assert kept_secret(file) == "secret-of-the-second-1"
        return "secret-of-the-second-1" if not file.exists() else "secret-of-the-first-00"

    monkeypatch.setattr("leadpipe.web.kept.secrets.token_urlsafe", numbered)
    assert kept_secret(file) == "secret-of-the-second-1"
    assert [path.name for path in tmp_path.iterdir()] == ["session_key"]
