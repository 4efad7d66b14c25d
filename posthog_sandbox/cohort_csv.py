"""The CSV file that fills a static cohort: which column is read as what.

Belongs here: PostHog's rules for titles and columns. Does not belong here: looking persons up
(`cohorts.py`).
"""

import csv

from posthog_sandbox.cohorts import IdType
from posthog_sandbox.refusals import Refusal, invalid

_PERSON_ID_TITLES = frozenset({"person_id", "person-id", "person .id"})
_DISTINCT_ID_TITLES = frozenset({"distinct_id", "distinct-id"})
_EMAIL_TITLES = frozenset({"email", "e-mail"})
_BY_PREFERENCE: tuple[tuple[IdType, frozenset[str]], ...] = (
    ("person_id", _PERSON_ID_TITLES),
    ("distinct_id", _DISTINCT_ID_TITLES),
    ("email", _EMAIL_TITLES),
)


def read_ids(content: bytes) -> tuple[IdType, list[str]]:
    """The ids in the file and what they are.

    A single column is distinct ids, its first row included, unless that row is a title of another
    kind of id.

    Raises:
        Refusal: 400 about the field `csv`.
    """
    try:
        rows = [row for row in csv.reader(content.decode().splitlines()) if row]
    except UnicodeDecodeError:
        raise _bad(
            "CSV file encoding is not supported. Please save your file as UTF-8 and try again."
        ) from None
    if not rows:
        raise _bad("CSV file is empty. Please upload a CSV file with at least one row of data.")
    titles = [title.strip().lower() for title in rows[0]]
    if len([title for title in titles if title]) <= 1:
        kind: IdType = "distinct_id"
        if titles[0] in _PERSON_ID_TITLES | _EMAIL_TITLES:
            kind = "person_id" if titles[0] in _PERSON_ID_TITLES else "email"
            rows = rows[1:]
        column = 0
    else:
        kind, column = _column_of(titles, rows[0])
        rows = rows[1:]
    ids = [row[column].strip() for row in rows if len(row) > column and row[column].strip()]
    if not ids:
        raise _bad(
            "CSV file contains no valid person IDs, distinct IDs, or email addresses. Please ensure "
            "your file has data rows with person IDs, distinct IDs, or email addresses."
        )
    return kind, ids


def _column_of(titles: list[str], shown: list[str]) -> tuple[IdType, int]:
    for kind, names in _BY_PREFERENCE:
        for index, title in enumerate(titles):
            if title in names:
                return kind, index
    columns = ", ".join(title for title in shown if title.strip())
    raise _bad(
        "Multi-column CSV must contain at least one column with a supported ID header: 'person_id', "
        "'Person .id' (PostHog export format), 'distinct_id', 'distinct-id', or 'email'. Found "
        f"columns: {columns}"
    )


def _bad(detail: str) -> Refusal:
    return invalid(detail, attr="csv")
