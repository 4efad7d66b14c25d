"""Cells of a CSV file that a spreadsheet may open: no text in it is taken for a formula.

Pure. For the command line and for what pages export. Does not belong here: reading CSV files.
"""

import re
from collections.abc import Callable
from datetime import date, datetime

from leadpipe.text import without_marks

# A spreadsheet takes these for numbers, and runs nothing.
_NUMBER = re.compile(r"\+[0-9][0-9 ]*")
# As spreadsheets take them: also in full width, and after what they skip.
_FORMULA_STARTS = tuple("=+-@＝＋－＠")
_CONTROL_STARTS = ("\t", "\r", "\n")


def csv_cell(value: object, shown: Callable[[str], str] = str) -> object:
    """A value as it is written: times as ISO 8601, and an apostrophe before what looks like a formula.

    Args:
        value: any.
        shown: what a text goes through last.
    """
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, str):
        is_formula = _is_formula(value) and not _NUMBER.fullmatch(value)
        return shown(f"'{value}" if is_formula else value)
    return value


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet might take a text for a formula, blanks and marks that nobody sees aside."""
    return text.startswith(_CONTROL_STARTS) or without_marks(text).startswith(_FORMULA_STARTS)
