"""Replacing a file: all or nothing, under a lock, with what was there before kept."""

import os
import subprocess
import sys
import threading

import pytest

from leadpipe.errors import LeadsFileBusy, LeadsFileError
from leadpipe.interactions.replacing import locked, read_file, replace_file


@pytest.fixture
def file(tmp_path):
    """A leads file."""
    path = tmp_path / "tenant" / "leads.json"
    path.parent.mkdir()
    path.write_bytes(b"[]")
    return path


def others(path):
    """What lies beside the file, without leadpipe's own folder."""
    return sorted(one.name for one in path.parent.iterdir() if one.name != ".leadpipe")


def test_the_new_text_takes_the_files_place(file):
    """The mode stays, the previous version is kept, nothing else is left where git would see it."""
    file.chmod(0o640)
    with locked(file, timeout_seconds=1):
        replace_file(read_file(file), b"[1]")
    assert file.read_bytes() == b"[1]"
    assert file.stat().st_mode & 0o777 == 0o640
    assert (file.parent / ".leadpipe" / "leads.json.previous").read_bytes() == b"[]"
    assert others(file) == ["leads.json"]
    subprocess.run(["git", "init", "-q", "."], cwd=file.parent, check=True)
    seen = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=file.parent, capture_output=True, check=True
    )
    assert seen.stdout.decode() == "?? leads.json\n"


def test_a_file_that_changed_is_left_alone(file):
    """Somebody saved the file since it was read: theirs stays."""
    read = read_file(file)
    file.write_bytes(b"[2]")
    with pytest.raises(LeadsFileBusy, match="was changed while leadpipe worked on it"):
        replace_file_under_lock(read, b"[1]")
    assert file.read_bytes() == b"[2]"
    file.unlink()
    with pytest.raises(LeadsFileBusy):
        replace_file_under_lock(read, b"[1]")
    assert others(file) == []


def replace_file_under_lock(read, data):
    """As a sync does it."""
    read.previous.parent.mkdir(exist_ok=True)
    replace_file(read, data)


def test_a_symbolic_link_is_refused(file, tmp_path):
    """A link would be replaced by a file, and the file behind it forgotten."""
    link = tmp_path / "leads.json"
    link.symlink_to(file)
    with pytest.raises(LeadsFileError, match="is a symbolic link"):
        read_file(link)
    with pytest.raises(LeadsFileError, match="is not a file"):
        read_file(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    """The message says which file, and what to check."""
    with pytest.raises(LeadsFileError, match=r"There is no leads file .*nobody/leads\.json"):
        read_file(tmp_path / "nobody" / "leads.json")
    with (
        pytest.raises(LeadsFileError, match="There is no leads file"),
        locked(tmp_path / "nobody" / "leads.json", timeout_seconds=0),
    ):
        pass
    assert not (tmp_path / "nobody").exists()


_AS_NOBODY = """
import os, sys
from pathlib import Path
from leadpipe.errors import LeadsFileError
from leadpipe.interactions.replacing import locked, read_file, replace_file
path = Path(sys.argv[1])
os.setuid(65534)
try:
    with locked(path, timeout_seconds=1):
        replace_file(read_file(path), b"[1]")
except LeadsFileError as error:
    print(error)
"""
_ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from leadpipe.errors import LeadsFileError
from leadpipe.interactions.replacing import locked, read_file, replace_file
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    with locked(path, timeout_seconds=1):
        replace_file(read_file(path), b" " * 100_000)
except LeadsFileError as error:
    print(error)
"""


def output_of(script, *arguments):
    """What a script prints, run as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_no_permission(file):
    """Without the right to write to the folder the file stays, and the message says why."""
    if os.geteuid() == 0:  # root may do everything: be somebody else
        said = output_of(_AS_NOBODY, file)
    else:
        file.parent.chmod(0o500)
        said = output_of(_AS_NOBODY.replace("os.setuid(65534)", ""), file)
        file.parent.chmod(0o700)
    assert f"{file} cannot be" in said
    assert "Permission denied" in said
    assert (file.read_bytes(), others(file)) == (b"[]", ["leads.json"])


def test_a_full_disk(file):
    """A write that ends halfway leaves the file as it was, and no temporary file."""
    said = output_of(_ON_A_FULL_DISK, file)
    assert f"{file} cannot be replaced: File too large. It is unchanged." in said
    assert (file.read_bytes(), others(file)) == (b"[]", ["leads.json"])


def test_the_lock_is_waited_for_within_bounds(file):
    """A second sync waits, and gives up with a message when the first takes too long."""
    waiting = threading.Event()
    done = threading.Event()

    def hold():
        with locked(file, timeout_seconds=1):
            waiting.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        waiting.wait(10)
        with (
            pytest.raises(LeadsFileBusy, match="Another sync held"),
            locked(file, timeout_seconds=0.1),
        ):
            pass
    finally:
        done.set()
        holder.join()
    with locked(file, timeout_seconds=0):
        pass


def test_what_a_killed_sync_left_is_cleared(file):
    """Temporary files of a sync that was killed go with the next change."""
    (file.parent / ".leadpipe-abc").write_bytes(b"half")
    with locked(file, timeout_seconds=1):
        replace_file(read_file(file), b"[1]")
    assert others(file) == ["leads.json"]
