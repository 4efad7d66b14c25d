"""Values and names as ClickHouse writes them.

Belongs here: escaping. Does not belong here: what the values are.
"""

from datetime import datetime


def quoted(text: str) -> str:
    """The text as a ClickHouse string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0")
    return f"'{escaped}'"


def identifier(name: str) -> str:
    """The name as a ClickHouse identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def instant(moment: datetime) -> str:
    """The moment as a ClickHouse DateTime64 in UTC."""
    return f"toDateTime64('{moment:%Y-%m-%d %H:%M:%S.%f}', 6, 'UTC')"
