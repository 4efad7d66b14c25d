"""The only things that may be written into a HogQL text: checked names and UTC times.

Every other value is bound through `values` of `PostHog.query`; there is no function here that
quotes a string, on purpose.
"""

import re
from datetime import UTC, datetime

from leadpipe.errors import ConfigurationError

NAME_LIMIT = 200
"""Longest event or property name, in characters; PostHog's own limit for event names."""

NO_NAMES = [""]
"""To bind where there are none: no event or property is called so, and an empty list is no HogQL."""

_ALLOWED_IN_NAMES = re.compile(r"(?:[^\W_]|[_$\-.:/ ])+")
_SHOWN_LIMIT = 80


def checked_name(value: str, *, kind: str) -> str:
    """Return an event or property name unchanged if it cannot break out of a HogQL text.

    Args:
        value: the name as a person configured it (`$pageview`, `listing viewed`).
        kind: what the name is for, shown in the error (`event name`, `property name`).

    Raises:
        ConfigurationError: the name is empty, longer than 200 characters, or has a character
            other than letters, digits, `_ $ - . : /` and the space.
    """
    if len(value) <= NAME_LIMIT and _ALLOWED_IN_NAMES.fullmatch(value):
        return value
    shown = ascii(value if len(value) <= _SHOWN_LIMIT else value[:_SHOWN_LIMIT] + "...")
    raise ConfigurationError(
        f"The {kind} {shown} is refused: a name has 1 to {NAME_LIMIT} letters, digits, spaces "
        "or _ $ - . : / and nothing else. Correct it in the configuration, or rename it in PostHog."
    )


def utc_literal(moment: datetime) -> str:
    """Write a moment as HogQL that no project time zone can shift, to the microsecond.

    >>> utc_literal(datetime(2026, 1, 1, tzinfo=UTC))
    "toDateTime64('2026-01-01 00:00:00.000000', 6, 'UTC')"

    Raises:
        ValueError: the datetime is naive; a zone would have to be guessed.
    """
    if moment.utcoffset() is None:
        raise ValueError(f"{moment!r} has no time zone; pass an aware datetime")
    return f"toDateTime64('{utc_text(moment)}', 6, 'UTC')"


def utc_text(moment: datetime) -> str:
    """A moment as the HogQL files take it: `2026-01-31 23:59:59.000000`, in UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
