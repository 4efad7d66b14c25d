"""How tables fit a screen: nothing is wider than it, no word is broken, the important stays longest."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from leadpipe.cli import output
from leadpipe.cli.fitting import Column, blocks, fit, pair, short_ids, wrapped
from leadpipe.cli.output import Screen
from leadpipe.moments import ago
from leadpipe_tests.clocks import NOW

_LISTING = "9c1460f4-2337-4167-8a2d-423ce84b2d3b"
_SEEKERS = (
    "01a21d2c-6506-7a3e-a284-648cc93b6658",
    "01a21d2c-6f06-7a3e-a284-648cc93b6658",
)
_COLUMNS = ("lead_id", "listing", "seeker_id", "lead_score", "status", "last_action_at", "source")
_ROWS = (
    ("64d7498197eb", _LISTING, _SEEKERS[0], 1_030, "new", NOW - timedelta(hours=9), "newsletter"),
    ("45cd6b88f823", "profile d-8", _SEEKERS[1], 20, "new", NOW - timedelta(minutes=5), None),
)
_DROP = ("source", "seeker_id")


def shown(capsys, width, *, rows=_ROWS, columns=_COLUMNS, drop=_DROP, is_exact=False):
    """The lines that a terminal of a width gets, and what is said beside them."""
    screen = Screen(NOW, width, is_exact)
    output.print_table(columns, rows, title="Leads", drop=drop, screen=screen)
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0] == "Leads"
    return lines[1:], captured.err.strip()


def test_a_wide_terminal_shows_all(capsys):
    """Every column, ids whole, one line a row."""
    lines, note = shown(capsys, 160)
    assert [line.split("  ")[0] for line in lines] == ["lead id", "64d7498197eb", "45cd6b88f823"]
    assert lines[1].split() == [
        *("64d7498197eb", _LISTING, _SEEKERS[0], "1,030", "new", "9", "h", "ago", "newsletter")
    ]
    assert note == ""


def test_80_columns_shorten_ids_to_what_tells_them_apart(capsys):
    """An id is cut to 8 characters, or to more where two of a column begin alike."""
    lines, note = shown(capsys, 80)
    assert lines == [
        "lead id   listing      seeker id    lead score  status  last action  source",
        "64d74981  9c1460f4     01a21d2c-65       1,030  new     9 h ago      newsletter",
        "45cd6b88  profile d-8  01a21d2c-6f          20  new     5 min ago    ·",
    ]
    assert note == ""


def test_60_columns_go_without_the_least_important(capsys):
    """Headers take more lines first; what is left out is said, and where it is to be had."""
    lines, note = shown(capsys, 60)
    assert lines == [
        "lead id   listing      seeker id     lead  status  last",
        "                                    score          action",
        "64d74981  9c1460f4     01a21d2c-65  1,030  new     9 h ago",
        "45cd6b88  profile d-8  01a21d2c-6f     20  new     5 min ago",
    ]
    assert note == "Not shown here: source. A wider terminal or --json has them."
    lines, note = shown(capsys, 50)
    assert lines == [
        "lead id   listing       lead  status  last action",
        "                       score",
        "64d74981  9c1460f4     1,030  new     9 h ago",
        "45cd6b88  profile d-8     20  new     5 min ago",
    ]
    assert note == "Not shown here: seeker id, source. A wider terminal or --json has them."


def test_where_not_even_the_important_fits_a_row_is_a_block(capsys):
    """With every value, whole."""
    lines, _ = shown(capsys, 30)
    assert lines == [
        "lead id: 64d7498197eb",
        "listing:",
        f"  {_LISTING}",
        "seeker id:",
        f"  {_SEEKERS[0]}",
        "lead score: 1,030",
        "status: new",
        "last action: 9 h ago",
        "source: newsletter",
        "",
        "lead id: 45cd6b88f823",
        "listing: profile d-8",
        "seeker id:",
        f"  {_SEEKERS[1]}",
        "lead score: 20",
        "status: new",
        "last action: 5 min ago",
    ]


def test_a_file_gets_all_of_everything_in_one_line(capsys):
    """What is no terminal has no width; times are to the second, ids whole."""
    lines, _ = shown(capsys, None, rows=[(*_ROWS[0][:6], "a word " * 90)])
    assert len(lines) == 2
    assert _SEEKERS[0] in lines[1]
    assert "2026-11-21 03:00:00" in lines[1]
    assert len(lines[1]) > 600


def test_exact_is_exact_on_a_terminal_too(capsys):
    """Times to the second, ids whole, and rather fewer columns."""
    lines, note = shown(capsys, 100, is_exact=True)
    assert lines[0].split("  ")[0] == "lead id"
    assert (_LISTING in lines[2], "2026-11-21 03:00:00" in lines[2]) == (True, True)
    assert note.startswith("Not shown here: seeker id")


def test_a_text_is_wrapped_or_cut_before_its_column_goes(capsys):
    """The least important text gets what room there is, down to 16 columns; a path keeps its end."""
    rows = [("leads", 632, "/home/somebody/data/published/current/leads.parquet")]
    lines, note = shown(capsys, 40, columns=("table", "rows", "files"), rows=rows, drop=("files",))
    assert lines == [
        "table  rows  files",
        "leads   632  …shed/current/leads.parquet",
    ]
    assert note == ""


def test_a_column_without_any_value_goes_first_and_is_not_missed(capsys):
    """Nothing is said of what has nothing."""
    rows = [(*row[:6], None) for row in _ROWS]
    lines, note = shown(capsys, 66, rows=rows)
    assert "source" not in lines[0]
    assert "seeker id" in lines[0]
    assert note == ""


def test_names_and_values_stand_side_by_side_or_below_one_another(capsys):
    """A record's times are said both ways."""
    rows = [("seeker_id", _SEEKERS[0]), ("last_action_at", NOW - timedelta(days=3))]
    lines, _ = shown(capsys, 80, columns=("", ""), rows=rows)
    assert lines == [
        f"seeker_id       {_SEEKERS[0]}",
        "last_action_at  2026-11-18 12:00:00 (3 d ago)",
    ]
    lines, _ = shown(capsys, 38, columns=("", ""), rows=rows)
    assert lines == [
        "seeker_id:",
        f"  {_SEEKERS[0]}",
        "last_action_at: 2026-11-18 12:00:00",
        "  (3 d ago)",
    ]


def test_a_grid_has_as_many_columns_as_fit(capsys):
    """One is the least."""
    for width, count in ((80, 5), (22, 2), (5, 1)):
        output.print_grid(
            [f"11-{day} ok 7" for day in range(10, 20)],
            title="Days",
            most=5,
            screen=Screen(NOW, width),
        )
        assert len(capsys.readouterr().out.splitlines()) == 1 + 10 // count


_TEXTS = st.text(st.sampled_from("ab /→é表"), max_size=40).map(lambda text: " ".join(text.split()))
_TABLES = st.integers(1, 5).flatmap(
    lambda count: st.tuples(
        st.lists(_TEXTS, min_size=count, max_size=count),
        st.lists(st.tuples(*[_TEXTS] * count), min_size=1, max_size=4),
        st.lists(st.booleans(), min_size=count, max_size=count),
        st.lists(st.integers(0, count - 1), unique=True),
        st.integers(1, 100),
    )
)


@given(_TABLES)
def test_whatever_fits_fits_and_breaks_no_word(table):
    """No line is wider than the screen, and what stands in it is words of the table, whole or cut."""
    headers, rows, numbers, dropped, width = table
    columns = [
        Column(str(index), header, tuple(row[index] for row in rows), is_number=numbers[index])
        for index, header in enumerate(headers)
    ]
    words = {word for text in [*headers, *sum(rows, ())] for word in text.split()}
    fitted = fit(columns, width, drop=[str(index) for index in dropped])
    if fitted is None:
        for line in blocks(columns, width, nothing=""):
            assert cell_len(line) <= width or len(line.split()) <= 2
        return
    lines = [*fitted.header(), *fitted.lines()]
    assert all(cell_len(line) <= width for line in lines)
    assert all(word in words or "…" in word for line in lines for word in line.split())
    kept = {column.name for column in fitted.columns}
    assert {str(index) for index in range(len(headers)) if index not in dropped} <= kept


def test_words_are_whole_in_what_is_wrapped():
    """Only a word longer than the line is cut, and nothing where it can be copied."""
    assert wrapped("one two three", 7, "…") == ["one two", "three"]
    assert wrapped("one extraordinary", 8, "…") == ["one", "extraor…"]
    assert wrapped("one extraordinary", 8, None) == ["one", "extraordinary"]
    assert list(pair("name", "extraordinary", 8)) == ["name:", "  extraordinary"]


@pytest.mark.parametrize(
    ("cells", "short"),
    [
        (("64d7498197eb", "64d7498197eb"), ("64d74981", "64d74981")),
        (("64d7498197eb", "64d7498100aa"), ("64d749819", "64d749810")),
        (("profile " + _LISTING,), ("profile 9c1460f4",)),
        (("listing-100", "2026-11-21", "face"), ("listing-100", "2026-11-21", "face")),
    ],
)
def test_ids_are_short_and_still_themselves(cells, short):
    """A start of 8 characters, or of what tells two apart; names are no ids."""
    assert short_ids(cells) == short


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "just now"),
        (-30, "just now"),
        (90, "1 min ago"),
        (3 * 3_600 + 5, "3 h ago"),
        (-2 * 3_600, "in 2 h"),
        (3 * 86_400, "3 d ago"),
        (40 * 86_400, "2026-10-12"),
    ],
)
def test_moments_are_said_as_people_say_them(seconds, said):
    """In the largest unit; a month away it is the day."""
    assert ago(NOW - timedelta(seconds=seconds), NOW) == said
