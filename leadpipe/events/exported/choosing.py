"""What to do with each file of a listing: take it, wait for its manifest, leave it; and what is missing.

Pure: a listing, the manifests in it and what is known go in, a choice comes out. Reading any of it is not
this module's business.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Literal

from leadpipe.events.exported.bucket import StoredObject
from leadpipe.events.exported.keys import ExportKey, Interval, read_key

State = Literal[
    "taken",  # its rows were merged; for a manifest: it was read
    "waiting",  # a part whose manifest is not there yet
    "surplus",  # a part that its manifest does not list: left by a run that was tried again
    "unreadable",  # it cannot be read; tried again when it changes, or by hand
    "postponed",  # it could not be fetched; tried again by the next run
    "ignored",  # rows of a model that leadpipe does not take
    "foreign",  # another project's events
    "incomplete",  # a manifest that lists files which are not there
    "superseded",  # there is another version
    "removed",  # it went before it was taken
]
_FINAL = {"taken", "unreadable", "ignored", "foreign"}
_NOT_TAKEN = {"waiting", "surplus", "unreadable", "postponed", "ignored", "foreign", "incomplete"}


@dataclass(frozen=True)
class KnownFile:
    """A version of a file or manifest as it was last decided on."""

    key: str
    e_tag: str
    state: State


@dataclass(frozen=True)
class FoundFile:
    """A file of a listing, and what its name says."""

    stored: StoredObject
    named: ExportKey


@dataclass(frozen=True)
class Choice:
    """What to do.

    Args:
        take: in the order of their intervals.
        waiting: for a manifest.
        surplus: not in their manifest.
        manifests: that were read, each with the names of files that are missing.
        unreadable: manifests, each with the reason.
        removed: keys that were known and not taken, and are not there any more.
        gaps: spans between the intervals of an export, each from and until when; nothing was exported for
            them, or its interval had no rows.
        others: how many objects are no exports.
    """

    take: tuple[FoundFile, ...] = ()
    waiting: tuple[FoundFile, ...] = ()
    surplus: tuple[FoundFile, ...] = ()
    manifests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    gaps: tuple[tuple[str, datetime, datetime], ...] = ()
    others: int = 0


def unread_manifests(
    listing: Sequence[StoredObject], known: Mapping[str, KnownFile]
) -> list[FoundFile]:
    """The manifests that have to be read to choose: the new ones, and those that files lack or wait for."""
    found, _ = _found(listing)
    open_spans = {
        one.named.interval
        for one in found
        if not one.named.is_manifest and not _is_settled(one.stored, known)
    }
    return [
        one
        for one in found
        if one.named.is_manifest
        and (one.named.interval in open_spans or not _is_settled(one.stored, known))
    ]


def choose(
    listing: Sequence[StoredObject],
    known: Mapping[str, KnownFile],
    manifests: Mapping[str, frozenset[str] | str],
    *,
    by_hand: Collection[str] = (),
) -> Choice:
    """Decide on every file.

    Args:
        listing: all objects.
        known: the latest version of each key that was decided on.
        manifests: by key, the names each lists, or why it cannot be read; those of `unread_manifests`.
        by_hand: keys to take whatever is known of them.
    """
    found, others = _found(listing)
    by_interval: dict[Interval, dict[str, FoundFile]] = {}
    manifest_of: dict[Interval, str] = {}
    for one in found:
        if one.named.is_manifest:
            manifest_of[one.named.interval] = one.stored.key
        else:
            by_interval.setdefault(one.named.interval, {})[one.named.name] = one
    take: list[FoundFile] = []
    waiting: list[FoundFile] = []
    surplus: list[FoundFile] = []
    for interval, files in by_interval.items():
        listed = manifests.get(manifest_of.get(interval, ""))
        for name, one in files.items():
            if one.stored.key in by_hand:
                take.append(one)
            elif _is_settled(one.stored, known):
                continue
            elif one.named.part is None:
                take.append(one)
            elif listed is None or isinstance(listed, str):
                waiting.append(one)
            else:
                (take if name in listed else surplus).append(one)
    there = {stored.key for stored in listing}
    return Choice(
        take=tuple(sorted(take, key=_order)),
        waiting=tuple(sorted(waiting, key=_order)),
        surplus=tuple(sorted(surplus, key=_order)),
        manifests={
            key: tuple(sorted(_missing(key, listed, there, known)))
            for key, listed in sorted(manifests.items())
            if not isinstance(listed, str)
        },
        unreadable={key: why for key, why in sorted(manifests.items()) if isinstance(why, str)},
        removed=tuple(
            sorted(
                key for key, one in known.items() if one.state in _NOT_TAKEN and key not in there
            )
        ),
        gaps=tuple(_gaps(_intervals(found, known))),
        others=others,
    )


def unseen(listing: Sequence[StoredObject], known: Mapping[str, KnownFile]) -> list[StoredObject]:
    """The files and manifests that nothing was decided on yet, or that the next run shall try again."""
    found, _ = _found(listing)
    return [
        one.stored
        for one in found
        if (before := known.get(one.stored.key)) is None
        or before.e_tag != one.stored.e_tag
        or before.state == "postponed"
    ]


def _found(listing: Sequence[StoredObject]) -> tuple[list[FoundFile], int]:
    """What PostHog's exports wrote, and how many objects are something else."""
    found = [
        FoundFile(stored, named)
        for stored in listing
        if (named := read_key(stored.key)) is not None
    ]
    return found, len(listing) - len(found)


def _is_settled(stored: StoredObject, known: Mapping[str, KnownFile]) -> bool:
    before = known.get(stored.key)
    return before is not None and before.e_tag == stored.e_tag and before.state in _FINAL


def _order(one: FoundFile) -> tuple[datetime, str, int]:
    """By time, then parts by their numbers."""
    part = one.named.part
    return one.named.interval.end, one.named.interval.folder, -1 if part is None else part


def _missing(
    manifest: str,
    listed: frozenset[str],
    there: Collection[str],
    known: Mapping[str, KnownFile],
) -> Iterator[str]:
    """The files of a manifest that are not there, and were not taken while they were."""
    folder, _, _ = manifest.rpartition("/")
    for name in listed:
        key = f"{folder}/{name}" if folder else name
        before = known.get(key)
        if key not in there and (before is None or before.state != "taken"):
            yield key


def _intervals(
    found: Sequence[FoundFile], known: Mapping[str, KnownFile]
) -> Iterator[tuple[str, Interval]]:
    """The intervals that there are, or were when they were taken, each with its export."""
    taken = (read_key(key) for key, one in known.items() if one.state == "taken")
    intervals = {one.named.interval for one in found} | {one.interval for one in taken if one}
    for interval in intervals:
        yield interval.export, interval


def _gaps(intervals: Iterator[tuple[str, Interval]]) -> Iterator[tuple[str, datetime, datetime]]:
    """The spans that no interval of an export covers, between its first and its last one."""
    by_export = sorted(intervals, key=lambda one: (one[0], _begin(one[1]), one[1].end.timestamp()))
    for export, group in groupby(by_export, key=lambda one: one[0]):
        until: datetime | None = None
        for _, interval in group:
            if until is not None and interval.start is not None and interval.start > until:
                yield export, until, interval.start
            until = interval.end if until is None else max(until, interval.end)


def _begin(interval: Interval) -> float:
    return interval.start.timestamp() if interval.start else float("-inf")
