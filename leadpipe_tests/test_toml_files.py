"""What people write in TOML: every way to write none, told with the file and the place."""

import re

import pytest

from leadpipe.draws.prizes import load_prizes
from leadpipe.errors import ConfigurationError
from leadpipe.interactions.tenants import read_tenants
from leadpipe.leads.scores import load_rules
from leadpipe.toml_files import read_toml


@pytest.mark.parametrize("read", [load_prizes, load_rules, read_tenants, read_toml])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            'version = "1"\nname = "Caf\xe9"'.encode("latin-1"),
            ", line 2: not UTF-8. Save the file in the encoding UTF-8.",
        ),
        ("a = 1".encode("utf-16"), ", line 1: not UTF-8. Save the file in the encoding UTF-8."),
        (
            b"x = " + b"[" * 100_000,
            ": nested too deeply to be read. Two levels of brackets are all it needs.",
        ),
        (
            b"a = 1\n\nb = " + b"9" * 5_000,
            ", line 3: a number too large for any table. Write a whole number below 2^63.",
        ),
        (
            b"[[tiers]]\nvalue = 0x" + b"f" * 5_000,
            ", tiers[1].value: a number too large for any table. Write a whole number below 2^63.",
        ),
        (
            b"x = 9223372036854775808",
            ", x: a number too large for any table. Write a whole number below 2^63.",
        ),
        (b"a = ", ": not valid TOML: Invalid value (at end of document)"),
    ],
)
def test_a_file_that_is_no_toml_is_told_with_its_place(tmp_path, read, data, said):
    """Whichever file it is: one line, never a foreign exception."""
    path = tmp_path / "file.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=f"^{re.escape(str(path) + said)}"):
        read(path)


def test_a_folder_in_its_place_is_told(tmp_path):
    """A path that is no file is named."""
    with pytest.raises(
        ConfigurationError, match=f"^{re.escape(str(tmp_path))} cannot be read: Is a"
    ):
        read_toml(tmp_path)


def test_what_is_toml_is_read(tmp_path):
    """With the mark that some editors put first, and the largest number that TOML has."""
    path = tmp_path / "file.toml"
    path.write_bytes("\ufeffname = '₦'\nvalue = 9223372036854775807\n".encode())
    assert read_toml(path) == {"name": "₦", "value": 2**63 - 1}
    with pytest.raises(FileNotFoundError):
        read_toml(tmp_path / "none.toml")
