"""A lock is held as long as its process lives, and what the dead leave is removed; with real processes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leadpipe.living import is_living, living, own_folder, remove_dead

_LIVE = """
import sys
from pathlib import Path
from leadpipe.living import own_folder
with own_folder(Path(sys.argv[1]), sys.argv[2]) as folder:
    folder.mkdir()
    (folder / "page.ndjson").write_text("personal")
    print("alive", flush=True)
    sys.stdin.read()
"""


@contextmanager
def somebody(folder: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """A process that works in a folder of its own until it is killed, or its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", _LIVE, str(folder), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "alive\n"
            yield process
        finally:
            process.kill()


def test_the_living_keep_what_is_theirs_and_the_dead_do_not(tmp_path):
    """Killed, a process is dead at once, and its folder goes; that of another process stays."""
    with somebody(tmp_path, "one") as one, somebody(tmp_path, "two"):
        assert (is_living(tmp_path, "one"), is_living(tmp_path, "two")) == (True, True)
        assert remove_dead(tmp_path) == ()
        one.kill()
        one.wait(10)
        assert (is_living(tmp_path, "one"), is_living(tmp_path, "two")) == (False, True)
        assert remove_dead(tmp_path) == ("one",)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["two", "two.lock"]
        assert (tmp_path / "two" / "page.ndjson").read_text() == "personal"


def test_who_ends_by_itself_leaves_nothing(tmp_path):
    """Neither folder nor lock stay, also after an exception."""
    with somebody(tmp_path, "one") as one:
        one.communicate(timeout=60)
    with pytest.raises(ValueError, match="broken"), own_folder(tmp_path, "two") as folder:
        folder.mkdir()
        raise ValueError("broken")
    assert list(tmp_path.iterdir()) == []


def test_what_was_left_without_a_lock_goes(tmp_path):
    """Folders and files of an older version, which took no locks."""
    (tmp_path / "outside-20261120").mkdir()
    (tmp_path / "outside-20261120" / "page.ndjson").write_text("personal")
    (tmp_path / "page.ndjson").write_text("personal")
    assert remove_dead(tmp_path) == ("outside-20261120", "page.ndjson")
    assert list(tmp_path.iterdir()) == []
    assert remove_dead(tmp_path / "nowhere") == ()


def test_several_may_live_under_a_name(tmp_path):
    """Who leaves first takes nothing from the other; a name can be used again."""
    for _ in range(2):
        with living(tmp_path, "one"):
            with living(tmp_path, "one"):
                assert is_living(tmp_path, "one")
            assert is_living(tmp_path, "one")
        assert not is_living(tmp_path, "one")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_not_inherited(tmp_path):
    """A program that a run started and that outlives it does not keep it alive."""
    with living(tmp_path, "one"):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with child:
        assert not is_living(tmp_path, "one")
        child.kill()
