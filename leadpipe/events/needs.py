"""What of events needs a lake."""

from collections.abc import Collection

from leadpipe.settings import Settings


def left_out(settings: Settings) -> Collection[str]:
    """The maintenance of a lake, where the warehouse is a file."""
    return () if settings.lake is not None else ("lake_maintenance",)
