"""How long something took, as people say it. Pure."""

_MINUTE, _HOUR, _DAY_HOURS = 60, 3_600, 24
_HOURS_COUNT = 31  # of more days than this nobody cares about the hours


def duration(seconds: float | None) -> str:
    """How long something took, short: `2 h`, `3 d 4 h`."""
    if seconds is None:
        return "–"
    if seconds < _MINUTE:
        return f"{max(seconds, 0):.0f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min"
    days, hours = divmod(int(seconds // _HOUR), _DAY_HOURS)
    if not days:
        return f"{hours} h"
    return f"{days:,} d" + (f" {hours} h" if hours and days < _HOURS_COUNT else "")
