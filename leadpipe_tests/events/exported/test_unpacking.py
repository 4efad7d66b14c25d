"""JSON Lines in brotli are unpacked to the disk: flat in memory, bounded, told when cut off or too large."""

from collections import namedtuple

import brotli
import pytest

from leadpipe.errors import DiskFull, ExportedFileError
from leadpipe.events.exported import unpacking
from leadpipe.events.exported.unpacking import unpacked

_LINE = b'{"uuid": "u", "event": "e", "properties": {"a": 1}}\n'


@pytest.fixture
def write(tmp_path):
    """Writes a file."""

    def written(content, name="x.jsonl.br"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return written


def taken(path, tmp_path):
    """What there is to read, and that nothing is left of it afterwards."""
    with unpacked(path, name="the file", folder=tmp_path / "landing") as file:
        content = file.read_bytes()
    assert not [*(tmp_path / "landing").glob("*")]
    return content


@pytest.mark.parametrize("name", ["x.jsonl.br", "an id without an ending"])
@pytest.mark.parametrize("quality", [1, 5])
def test_a_file_is_unpacked_for_as_long_as_it_is_used(write, tmp_path, name, quality):
    """Whatever its name and however well it is packed."""
    lines = _LINE * 100_000
    assert taken(write(brotli.compress(lines, quality=quality), name), tmp_path) == lines


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\x89PNG\r\n", b"[1]", _LINE, b"\xff\xfe"])
def test_what_is_no_brotli_is_left_as_it_is(write, tmp_path, content):
    """It is for its reader to say what it is."""
    assert taken(write(content, "x"), tmp_path) == content


def test_an_export_without_a_row_is_an_empty_file(write, tmp_path):
    """PostHog writes one after a part that was just full."""
    assert taken(write(brotli.compress(b"")), tmp_path) == b""


@pytest.mark.parametrize("cut", [1, 500, "trailing"])
def test_what_is_cut_off_is_one_line(write, tmp_path, cut):
    """Nothing of it is read; neither is what somebody appended to it."""
    packed = brotli.compress(
        b"".join(_LINE.replace(b"1", b"%d" % n) for n in range(9_000)), quality=5
    )
    content = packed + b"more" if cut == "trailing" else packed[:-cut]
    with pytest.raises(
        ExportedFileError, match=r"^the file is damaged or was cut off.*again"
    ) as told:
        taken(write(content), tmp_path)
    assert "\n" not in str(told.value)


def test_a_file_that_unpacks_without_end_is_refused(write, tmp_path, monkeypatch):
    """It stops at the bound, long before the disk is full."""
    monkeypatch.setattr(unpacking, "_ANY_RATIO_BYTES", 5_000_000)
    monkeypatch.setattr(unpacking, "_WRITTEN_BYTES", 100_000)
    with pytest.raises(
        ExportedFileError, match=r"the file unpacks to more than \d+ MB, 1,000 times"
    ):
        taken(write(brotli.compress(b"{" + b" " * 50_000_000, quality=1)), tmp_path)


def test_a_disk_that_fills_is_no_fault_of_the_file(write, tmp_path, monkeypatch):
    """It is told how much came, and how much room there is; it is taken another time."""
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(150_000_000))
    with pytest.raises(DiskFull, match=r"150 MB are left. Make room there"):
        taken(write(brotli.compress(_LINE * 1_000, quality=5)), tmp_path)
    assert not [*(tmp_path / "landing").glob("*")]
