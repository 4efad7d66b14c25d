"""Pages made from the code are what the code says now."""

import re

import pytest

from leadpipe.settings import whole_settings
from leadpipe_tests.docs.markdown import ROOT, name_of, pages
from leadpipe_tests.docs.reference import MADE

_SETTING = re.compile(r"\b(?:LEADPIPE|POSTHOG)_[A-Z_]+\b")


@pytest.mark.parametrize("path", MADE, ids=name_of)
def test_made_pages_are_up_to_date(path):
    """If this fails, run `python -m leadpipe_tests.docs.reference`."""
    assert path.read_text(encoding="utf-8") == MADE[path]()


@pytest.mark.parametrize("page", [*pages(), ROOT / ".env.example"], ids=name_of)
def test_every_setting_that_is_named_exists(page):
    """A page names no setting that neither leadpipe nor its tests read."""
    fields = whole_settings().model_fields
    known = {field.alias or name.upper() for name, field in fields.items()}
    known |= {"LEADPIPE_CHROMIUM", "LEADPIPE_SCREENSHOTS", "LEADPIPE_DBT"}
    # Of the dbt example, which is no part of leadpipe.
    known |= {"LEADPIPE_PUBLISHED", "LEADPIPE_PUBLISHED_PERSONAL", "LEADPIPE_DBT_DATABASE"}
    assert sorted(set(_SETTING.findall(page.read_text(encoding="utf-8"))) - known) == []
