"""A prizes file: what is right is read in order; what is wrong is said, and nothing else happens."""

import pytest

from leadpipe.draws.prizes import Place, Tier, load_prizes, places_of
from leadpipe.errors import ConfigurationError
from leadpipe_tests.draws.builders import PRIZES, prizes_file

_TIER = '[[tiers]]\nid = {}\nname = "{}"\nvalue = 100\nwinners = 1\n'


def test_tiers_are_read_in_order_of_their_ids(tmp_path):
    """However the file orders them; runner-ups are none by default."""
    text = _TIER.format(2, "Small") + "runner_ups = 3\n" + _TIER.format(1, "Large")
    assert load_prizes(prizes_file(tmp_path, text)) == (
        Tier(1, "Large", 100, 1, 0),
        Tier(2, "Small", 100, 1, 3),
    )
    assert load_prizes(prizes_file(tmp_path)) == PRIZES


def test_all_winners_come_before_all_runner_ups():
    """The order of drawing: winners tier by tier, then runner-ups tier by tier."""
    one, two = PRIZES
    assert places_of(PRIZES) == [
        Place(one, is_runner_up=False, rank=1),
        *(Place(two, is_runner_up=False, rank=rank) for rank in (1, 2, 3)),
        *(Place(one, is_runner_up=True, rank=rank) for rank in (1, 2)),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tiers = 3", "has no prize tiers"),
        ("[[tiers", "not valid TOML"),
        ("[[prizes]]\nid = 1", "unknown key 'prizes'"),
        (_TIER.format(1, "A") + _TIER.format(3, "B"), "there is no tier 2"),
        (_TIER.format(2, "A"), "there is no tier 1"),
        (_TIER.format(1, "A") + _TIER.format(1, "B"), "two tiers have the id 1"),
        (_TIER.format(1, "A") + _TIER.format(2, " A "), "two tiers have the name 'A'"),
        (_TIER.format("true", "A"), "id is True; it must be a whole number"),
        (_TIER.format(1, " "), "name must be a text"),
        (_TIER.format(1, "A").replace("100", "99.5"), "value is 99.5; it must be a whole number"),
        (_TIER.format(1, "A").replace("winners = 1", "winners = 0"), "winners is 0"),
        (_TIER.format(1, "A").replace("winners = 1", ""), "has no winners"),
        (_TIER.format(1, "A") + "runnerups = 1\n", "unknown key 'runnerups'"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(tmp_path, text, said):
    """Gaps, duplicates, odd values and misspelt keys are named, with the file."""
    path = prizes_file(tmp_path, text)
    with pytest.raises(ConfigurationError, match=r"prizes\.toml") as caught:
        load_prizes(path)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    """The message has the path."""
    with pytest.raises(ConfigurationError, match=r"There is no prizes file .*none\.toml"):
        load_prizes(tmp_path / "none.toml")
