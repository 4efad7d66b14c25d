"""Distinct ids as the CSV file from which PostHog fills a static cohort.

Belongs here: what PostHog would read wrongly. Does not belong here: sending the file (`cohorts.py`,
`cohort_members.py`).
"""

import csv
import io
import re
from collections.abc import Sequence

from leadpipe.errors import ConfigurationError

DISTINCT_IDS_AN_UPLOAD = 100_000
"""Rows of one CSV: about 1.5 MB of phone numbers, below every limit on the way."""

# PostHog takes a lone first row with one of these words for the title of the column.
_TITLES = {"person_id", "person-id", "person .id", "email", "e-mail"}
_UNFIT_IN_CSV = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]|^\s|\s$")


def csv_of(distinct_ids: Sequence[str]) -> bytes:
    """One column without a title: the only form that every PostHog reads as distinct ids.

    Raises:
        ConfigurationError: an id that cannot stand in the file, or too many of them.
    """
    if len(distinct_ids) > DISTINCT_IDS_AN_UPLOAD:
        raise ConfigurationError(
            f"{len(distinct_ids):,} distinct ids are too many for one upload; the limit is "
            f"{DISTINCT_IDS_AN_UPLOAD:,}"
        )
    for number, one in enumerate(distinct_ids, 1):
        is_title = number == 1 and one.lower() in _TITLES
        if not one or is_title or _UNFIT_IN_CSV.search(one):  # the id is personal data: not shown
            raise ConfigurationError(
                f"Distinct id number {number} of {len(distinct_ids)} cannot be sent to a cohort: "
                "it is empty, a column title, begins or ends with a blank, or has a line break in it"
            )
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([one] for one in distinct_ids)
    return text.getvalue().encode()
