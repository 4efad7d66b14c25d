"""The blacklist as a file: what goes out comes in unchanged, and nothing is cut in silence."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadpipe.draws.blacklist import Block, add_blocks
from leadpipe.draws.blacklist_files import blacklist_csv, read_blocks
from leadpipe.errors import ConfigurationError
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW
from leadpipe_tests.draws.builders import msisdn
from leadpipe_tests.events.builders import rows

TOMORROW = NOW.date() + timedelta(days=1)
_ALL = "SELECT * FROM blacklist ORDER BY ALL"
_NASTY = st.text(
    st.sampled_from(list(",;\"'\n\r\t =+-@*|é\ufeff\u200b😀ab1"))
    | st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    max_size=60,
)


def added(warehouse, blocks):
    """Add blocks of any dates in a transaction."""
    with warehouse.writing("participants") as connection:
        return add_blocks(connection, blocks, author="ada", now=NOW, zone="UTC", is_backdated=True)


def exported(warehouse, path, *, encoding="utf-8"):
    """The blacklist as a file."""
    with warehouse.connect() as connection:
        path.write_bytes(blacklist_csv(connection).encode(encoding))
    return path


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dates(date(2026, 1, 1), date(2027, 12, 31)),
            st.none() | st.integers(0, 400),
            _NASTY,
            _NASTY,
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["utf-8", "utf-8-sig"]),
)
def test_an_exported_blacklist_comes_in_unchanged(tmp_path_factory, blocks, encoding):
    """Whatever is in reasons and authors: every column is as it was, in another warehouse and in the same."""
    folder = tmp_path_factory.mktemp("blacklists")
    one, other = (
        Warehouse(folder / f"{name}.duckdb", lock_timeout_seconds=5.0) for name in ("one", "other")
    )
    added(
        one,
        [
            Block(
                msisdn(number),
                first,
                None if length is None else first + timedelta(days=length),
                reason,
                author,
            )
            for number, (first, length, reason, author) in enumerate(blocks)
        ],
    )
    path = exported(one, folder / "blacklist.csv", encoding=encoding)
    read = read_blocks(path, region="NG", default_from=TOMORROW)
    assert added(other, read) == len(blocks)
    assert rows(other, _ALL) == rows(one, _ALL)
    assert added(one, read) == 0


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_files_of_other_programs_are_read(tmp_path, separator, line_end, start):
    """Commas, semicolons or tabs, any line ends, a byte order mark, columns in any order, blank lines."""
    lines = [
        separator.join(("reason", "msisdn", "blocked_from")),
        separator.join(('"a, b; ""c""\td"', "0803 000 0001", "2027-01-01")),
        "",
        separator.join(("", "+2348030000002", "")),
    ]
    path = tmp_path / "list.csv"
    path.write_bytes((start + line_end.join(lines) + line_end).encode())
    assert read_blocks(path, region="NG", default_from=TOMORROW) == [
        Block("2348030000001", date(2027, 1, 1), None, 'a, b; "c"\td'),
        Block("2348030000002", TOMORROW, None),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("msisdn,reason\n08030000001,employee, fired\n", "line 2: 3 values for 2 columns; put a"),
        ("msisdn\n234803****001\n", "line 2: the MSISDN is masked; write the file with leadpipe"),
        ('msisdn,reason\n08030000001,"never closed\n', "is no CSV file in UTF-8"),
        ("msisdn,msisdn\n1,2\n", "the first line must name the columns msisdn"),
        ("msisdn,reason\n803123456.0,x\n", "line 2: The MSISDN (11 characters) is no valid phone"),
    ],
)
def test_what_would_be_cut_or_guessed_is_an_error(tmp_path, text, said):
    """A comma in a reason without quotes, a masked number, an open quote, a column twice, a float."""
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_blocks(path, region="NG", default_from=TOMORROW)
    assert said in str(caught.value)


def test_another_encoding_is_an_error(tmp_path):
    """UTF-16, as a spreadsheet writes "Unicode text": said, and no number is guessed."""
    path = tmp_path / "list.csv"
    path.write_bytes("msisdn\n08030000001\n".encode("utf-16"))
    with pytest.raises(ConfigurationError, match="is no CSV file in UTF-8"):
        read_blocks(path, region="NG", default_from=TOMORROW)


def test_a_reason_that_is_too_long_is_not_cut(warehouse):
    """It is refused, with its length; 500 characters fit."""
    added(warehouse, [Block(msisdn(1), TOMORROW, None, "x" * 500)])
    with pytest.raises(ConfigurationError, match="a reason of 501 characters; 500 fit"):
        added(warehouse, [Block(msisdn(2), TOMORROW, None, "x" * 501)])
