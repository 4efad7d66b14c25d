"""The blacklist: from a date to a date, edited without changing what was."""

from datetime import date, timedelta

import pytest

from leadpipe.draws.blacklist import Block, add_blocks, end_block
from leadpipe.draws.blacklist_files import read_blocks
from leadpipe.errors import ConfigurationError
from leadpipe_tests.clocks import NOW
from leadpipe_tests.draws.builders import DRAW_DATE, build, msisdn, recharge
from leadpipe_tests.events.builders import rows, take_in

pytestmark = pytest.mark.shared_lake

TOMORROW = NOW.date() + timedelta(days=1)
_BLOCKS = "SELECT msisdn, blocked_from, blocked_until, reason, author FROM blacklist ORDER BY ALL"


def block(warehouse, *blocks, **options):
    """Add blocks in a transaction."""
    with warehouse.writing("participants") as connection:
        return add_blocks(connection, list(blocks), author="ada", now=NOW, zone="UTC", **options)


def test_a_block_holds_from_one_draw_date_to_another(warehouse, tmp_path):
    """Both dates inclusive, and on no other date; without an end it holds for good."""
    take_in(warehouse, tmp_path, [recharge(n, 100) for n in (1, 2)])
    first, last = DRAW_DATE + timedelta(days=1), DRAW_DATE + timedelta(days=2)
    block(warehouse, Block(msisdn(1), first, last, "staff"), Block(msisdn(2), last, None))
    reports = build(warehouse, DRAW_DATE, DRAW_DATE + timedelta(days=3))
    there = rows(warehouse, "SELECT draw_date, msisdn FROM draw_participants ORDER BY ALL")
    assert there == [
        (DRAW_DATE, msisdn(1)),
        (DRAW_DATE, msisdn(2)),
        (first, msisdn(2)),
        (DRAW_DATE + timedelta(days=3), msisdn(1)),
    ]
    assert [report.blacklisted for report in reports] == [0, 1, 2, 1]


def test_dates_that_have_begun_are_not_changed(warehouse):
    """A block begins tomorrow at the earliest and ends today at the earliest, unless it is backdated."""
    today = Block(msisdn(1), NOW.date(), None)
    with pytest.raises(ConfigurationError, match=r"\(234803\*\*\*\*001\).*add --backdate"):
        block(warehouse, today)
    assert block(warehouse, today, is_backdated=True) == 1
    with (
        pytest.raises(ConfigurationError, match="2026-11-21, which has begun"),
        warehouse.writing("participants") as connection,
    ):
        end_block(connection, msisdn(1), until=date(2026, 11, 20), author="bo", now=NOW, zone="UTC")
    with warehouse.writing("participants") as connection:
        end_block(connection, msisdn(1), until=NOW.date(), author="bo", now=NOW, zone="UTC")
    assert rows(warehouse, _BLOCKS) == [(msisdn(1), NOW.date(), NOW.date(), "", "bo")]


def test_a_block_that_never_began_is_gone(warehouse):
    """Ended before its first date, it leaves no row; ending it again says that there is none."""
    block(warehouse, Block(msisdn(1), TOMORROW, None))
    with warehouse.writing("participants") as connection:
        end_block(connection, msisdn(1), until=NOW.date(), author="bo", now=NOW, zone="UTC")
    assert rows(warehouse, _BLOCKS) == []
    with (
        pytest.raises(ConfigurationError, match=r"234803\*\*\*\*001 is not blocked after"),
        warehouse.writing("participants") as connection,
    ):
        end_block(connection, msisdn(1), until=NOW.date(), author="bo", now=NOW, zone="UTC")


def test_a_csv_is_added_whole_and_once(warehouse, tmp_path):
    """Any spelling of numbers, with a spreadsheet's byte order mark; imported again, nothing is added."""
    path = tmp_path / "list.csv"
    path.write_text(
        "\ufeffmsisdn,blocked_from,blocked_until,reason\n"
        "0803 000 0001,2027-01-01,2027-01-31,staff\n+2348030000002,,,\n"
    )
    blocks = read_blocks(path, region="NG", default_from=TOMORROW)
    assert block(warehouse, *blocks) == 2
    assert block(warehouse, *blocks) == 0
    assert rows(warehouse, _BLOCKS) == [
        ("2348030000001", date(2027, 1, 1), date(2027, 1, 31), "staff", "ada"),
        ("2348030000002", TOMORROW, None, "", "ada"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("number\n0803\n", "the first line must name the columns msisdn"),
        ("", "the first line must name the columns msisdn"),
        (
            "msisdn\n08030000001\nnobody\n",
            "line 3: The MSISDN (6 characters) is no valid phone number",
        ),
        ("msisdn,blocked_from\n08030000001,1.1.2027\n", "line 2: a date is not written 2026-11-20"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path, text, said):
    """The message has the file and the line, never the number."""
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_blocks(path, region="NG", default_from=TOMORROW)
    assert said in str(caught.value)
    assert "08030000001" not in str(caught.value)


def test_one_wrong_block_adds_none(warehouse):
    """Blocks are added all or none: one that overlaps or ends too early takes the others with it."""
    good = Block(msisdn(1), TOMORROW, TOMORROW)
    for wrong, said in (
        (Block(msisdn(2), TOMORROW, NOW.date()), "before it begins"),
        (Block(msisdn(1), TOMORROW, None), "overlaps the block"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            block(warehouse, good, wrong)
        assert rows(warehouse, _BLOCKS) == []
