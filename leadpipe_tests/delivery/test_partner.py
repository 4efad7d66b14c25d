"""The test partner refuses to be told what it cannot do: a typing error would pass as obedience."""

import pytest

from leadpipe_tests.delivery.partner import PartnerState


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"script": ["accept", "die_after"]}, "cannot 'die_after'; it knows accept, reject"),
        ({"default": "sulk"}, "cannot 'sulk'"),
        ({"latenzy": 1}, "no setting 'latenzy'"),
    ],
)
def test_what_it_does_not_know_is_named(told, problem):
    """The error names the word, and what could have been meant."""
    with pytest.raises(ValueError, match=problem):
        PartnerState().configure(told)
