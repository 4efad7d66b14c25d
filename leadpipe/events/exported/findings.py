"""What `leadpipe check` says of the bucket: whether it can be listed and read, and what is there."""

from leadpipe.cli.findings import Finding
from leadpipe.errors import BucketError
from leadpipe.events.connecting import open_bucket
from leadpipe.events.exported.keys import read_key
from leadpipe.events.settings import EventsSettings

_PATIENCE_SECONDS = 20.0


def of_bucket(settings: EventsSettings) -> Finding | None:
    """What is right or wrong with it; None if there is none."""
    bucket = open_bucket(settings, patience_seconds=_PATIENCE_SECONDS)
    if bucket is None:
        return None
    try:
        listing = bucket.listing()
        exports = [
            (named, stored) for stored in listing if (named := read_key(stored.key)) is not None
        ]
        latest = max(exports, key=lambda one: one[0].interval.end, default=None)
        if latest is not None:
            bucket.probe(latest[1])
    except BucketError as error:
        return Finding("wrong", "bucket", str(error))
    if latest is None:
        others = f" ({len(listing):,} other objects are)" if listing else ""
        return Finding(
            "warning",
            "bucket",
            f"{bucket.address} can be listed; no exported file is there yet{others}. Is PostHog's batch "
            "export on, and its prefix the same?",
        )
    megabytes = sum(stored.size for _, stored in exports) / 1e6
    return Finding(
        "ok",
        "bucket",
        f"{bucket.address} can be listed and read: {len(exports):,} exported files, {megabytes:,.1f} MB, the "
        f"latest up to {latest[0].interval.end.isoformat()}",
    )
