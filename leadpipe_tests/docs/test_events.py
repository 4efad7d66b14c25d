"""docs/events.md: its files are mappings, its built-in mapping is the one there is, its tables are whole."""

from importlib.resources import files

import pytest

from leadpipe.events.mapping.model import COLUMNS, KEPT, MEANINGS, NOTHING, PASSED
from leadpipe_tests.docs.markdown import ROOT, blocks
from leadpipe_tests.events.mapping.builders import mapping_of

_PAGE = ROOT / "docs" / "events.md"
_BUILT_IN = files("leadpipe").joinpath("events", "builtin.toml").read_text()


@pytest.mark.parametrize("place", range(len(blocks(_PAGE, "toml"))))
def test_each_file_on_the_page_is_a_mapping(tmp_path, place):
    """What is shown can be copied into events.toml."""
    assert mapping_of(tmp_path, blocks(_PAGE, "toml")[place].text).names


def test_the_built_in_mapping_is_shown_as_it_is():
    """The page's example is the file, to the letter."""
    assert _BUILT_IN.strip() in [block.text.strip() for block in blocks(_PAGE, "toml")]


@pytest.mark.parametrize(
    "word",
    [*MEANINGS, KEPT, NOTHING, *COLUMNS, *(name for names in PASSED.values() for name in names)],
)
def test_every_meaning_and_column_is_on_the_page(word):
    """Nothing that can be written is left out."""
    assert f"`{word}`" in _PAGE.read_text()
