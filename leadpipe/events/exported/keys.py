"""What the name of an exported file says: which span of time, which part of it, in which format.

PostHog names an object `{prefix}/{start}-{end}[-{part}].{parquet|jsonl}[.{zst|lz4|sz|gz|br}]`, with moments
in ISO 8601 and `None` for the start of a backfill from the beginning. Parts have a manifest beside them.
What is in a file is not this module's business.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, takewhile

_MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)"
_SPAN = rf"(?P<start>None|{_MOMENT})-(?P<end>{_MOMENT})"
_FILE = re.compile(
    rf"{_SPAN}(?:-(?P<part>\d+))?\.(?P<format>parquet|jsonl)(?:\.(?P<codec>zst|lz4|sz|gz|br))?"
)
_MANIFEST = re.compile(rf"{_SPAN}_manifest\.json")


@dataclass(frozen=True)
class Interval:
    """A span of one export: what PostHog inserted from `start` until before `end`.

    Args:
        folder: where its files lie, relative to the address; empty for the address itself.
        start: None from the beginning of time.
        end: exclusive.
        span: both as the names have them, which tells intervals of one span in two zones apart.
    """

    folder: str
    start: datetime | None
    end: datetime
    span: str

    @property
    def export(self) -> str:
        """The same text for all intervals of one export: its folder without what changes with time."""
        folder = self.folder
        for moment in self.span_texts:
            folder = folder.replace(moment, "*")
        times = self._times
        return re.sub(
            r"\d+", lambda found: "*" if found.group() in times else found.group(), folder
        )

    @property
    def _parts(self) -> list[str]:
        """Year, month, day, hour, minute and second of its end, as a key has them."""
        return [f"{self.end:{code}}" for code in ("%Y", "%m", "%d", "%H", "%M", "%S")]

    @property
    def _times(self) -> set[str]:
        """The digits that change with time: these parts, or the first of them in a row (`{year}{month}`)."""
        return {*self._parts, *accumulate(self._parts)}

    @property
    def fixed_folder(self) -> str:
        """The folders at the beginning of the key that all intervals of its export share."""
        parts = self.export.split("/")
        return "/".join(takewhile(lambda part: "*" not in part, parts))

    @property
    def is_in_order(self) -> bool:
        """Whether keys of its export sort as their times do, as far as one key can tell.

        So they do below `{year}/{month}`, and not below `{month}/{year}`.
        """
        moments = "|".join(map(re.escape, self.span_texts))
        changing = takewhile(
            lambda text: text not in self.span_texts, re.findall(rf"{moments}|\d+", self.folder)
        )
        times = self._times
        return "".join(self._parts).startswith("".join(one for one in changing if one in times))

    @property
    def span_texts(self) -> tuple[str, str]:
        """Start and end as they are written."""
        found = re.fullmatch(_SPAN, self.span)
        return (found["start"], found["end"]) if found else ("", "")


@dataclass(frozen=True)
class ExportKey:
    """The key of an exported file or of a manifest.

    Args:
        key: as the store has it.
        interval: which files belong together.
        part: its number, where PostHog was told a maximum size.
        is_manifest: it lists the parts of its interval.
    """

    key: str
    interval: Interval
    part: int | None = None
    is_manifest: bool = False

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rsplit("/", 1)[-1]


def read_key(key: str) -> ExportKey | None:
    """What a key says; None if PostHog's exports give no such name."""
    folder, _, name = key.rpartition("/")
    is_manifest = False
    found = _FILE.fullmatch(name)
    if found is None:
        found, is_manifest = _MANIFEST.fullmatch(name), True
    if found is None:
        return None
    try:
        start = None if found["start"] == "None" else _moment(found["start"])
        interval = Interval(
            folder, start, _moment(found["end"]), f"{found['start']}-{found['end']}"
        )
    except ValueError:  # the 31st of February
        return None
    if is_manifest:
        return ExportKey(key, interval, is_manifest=True)
    part = found["part"]
    return ExportKey(key, interval, int(part) if part else None)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
