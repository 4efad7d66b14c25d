"""The test partner refuses to be told what it cannot do: a typing error would pass as obedience."""

import re
from pathlib import Path

import pytest

from leadpipe_tests.delivery.partner import PartnerState


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"script": ["accept", "die_after"]}, "cannot 'die_after'; it knows accept, reject"),
        ({"default": "sulk"}, "cannot 'sulk'"),
        ({"latenzy": 1}, "no setting 'latenzy'"),
        ({"spelling": "loud"}, "no spelling 'loud'"),
        ({"paging": "scroll"}, "no paging 'scroll'"),
    ],
)
def test_what_it_does_not_know_is_named(told, problem):
    """The error names the word, and what could have been meant."""
    with pytest.raises(ValueError, match=problem):
        PartnerState().configure(told)


def test_it_stands_by_itself():
    """The partner imports nothing of leadpipe, which is tested against it, nor the sandbox."""
    imports = re.compile(
        r"^\s*(import|from) (leadpipe|posthog_sandbox|dagster)\b(?!_)", re.MULTILINE
    )
    paths = sorted(Path(__file__).parent.glob("partner*.py"))
    assert [path.name for path in paths] == ["partner.py", "partner_process.py"]
    assert [path.name for path in paths if imports.search(path.read_text())] == []
