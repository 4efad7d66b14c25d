"""Where in a bucket new files turn up: after the latest that are known, where keys sort as time does.

A look there costs a request or two however long the history is. What is written late or again among older
files, or where no file was before, only a listing of the whole finds; how often that is made is not this
module's business.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from leadpipe.events.exported.bucket import Stretch
from leadpipe.events.exported.keys import ExportKey, read_key

_LATE = timedelta(days=2)
"""So long before the latest interval of an export its files are still looked at: runs are retried."""
_MOST = 10


def recent_stretches(keys: Collection[str]) -> tuple[Stretch, ...]:
    """Stretches of a listing that have each export's next files; none where they cannot be told.

    Args:
        keys: of files that are known, of the last weeks at least.
    """
    exports: dict[str, list[ExportKey]] = {}
    for key in keys:
        named = read_key(key)
        if named is not None and named.interval.start is not None:
            exports.setdefault(named.interval.export, []).append(named)
    stretches = {_stretch_of(files) for files in exports.values()}
    needed = sorted(
        (
            one
            for one in stretches
            if not any(other != one and _has(other, one) for other in stretches)
        ),
        key=lambda one: (one.folder, one.after),
    )
    return tuple(needed) if len(needed) <= _MOST else ()


def _stretch_of(files: list[ExportKey]) -> Stretch:
    """From two days before the latest on; the whole folder where keys are in no order, or are few."""
    latest = max(files, key=_end)
    folder = latest.interval.fixed_folder
    before = [one for one in files if _end(one) <= _end(latest) - _LATE]
    if not before or not all(one.interval.is_in_order for one in files):
        return Stretch(folder)
    return Stretch(folder, max(one.key for one in before))


def _end(one: ExportKey) -> datetime:
    return one.interval.end


def _has(one: Stretch, other: Stretch) -> bool:
    """Whether a stretch has all keys of another."""
    is_above = not one.folder or f"{other.folder}/".startswith(f"{one.folder}/")
    first = max(other.after, f"{other.folder}/" if other.folder else "")
    return is_above and one.after <= first
