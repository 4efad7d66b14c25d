"""Which way events come in: by query, by PostHog's file downloads, or from a bucket.

Whichever brought them, they go through the one door, and the days are proved by query.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, get_args

from leadpipe.errors import ConfigurationError, PostHogRefused

Lane = Literal["auto", "query", "download", "bucket"]
LANES: tuple[Lane, ...] = get_args(Lane)
DOWNLOAD_SCOPES = ("batch_export:read", "batch_export:write")
MUCH = 100_000
"""From so many rows on a download is the better way: PostHog runs an export for it, however few they are."""


@dataclass(frozen=True)
class LaneChoice:
    """Which lane, and why, as a person would say it."""

    lane: Literal["query", "download", "bucket"]
    why: str


def choose_lane(
    wanted: Lane, *, rows: int, has_bucket: bool, scopes: Callable[[], Collection[str]]
) -> LaneChoice:
    """Which lane brings so many rows.

    Args:
        wanted: as configured, or as a person said for this run.
        rows: about how many there are to bring.
        has_bucket: whether PostHog's batch exports are taken from a bucket.
        scopes: asks PostHog for the key's scopes; called only where they decide.

    Raises:
        ConfigurationError: downloads are wanted, and the key lacks scopes.
    """
    if wanted == "query":
        return LaneChoice("query", "as configured")
    if wanted == "bucket" or (wanted == "auto" and has_bucket):
        return LaneChoice("bucket", "batch exports bring most events, queries the rest")
    if wanted == "auto" and rows < MUCH:
        return LaneChoice("query", f"{rows:,} events are few, fewer than {MUCH:,}")
    try:
        missing = missing_scopes(scopes())
    except PostHogRefused:  # of an older PostHog, which does not say
        missing = ()
    if not missing:
        why = "as configured" if wanted == "download" else f"{rows:,} events are many"
        return LaneChoice("download", why)
    if wanted == "download":
        raise ConfigurationError(
            f"File downloads are wanted, but the API key lacks the scope {' and '.join(missing)}. Add it "
            "under Settings → Personal API keys, or set LEADPIPE_LANE=auto."
        )
    return LaneChoice(
        "query",
        f"{rows:,} events and more would come faster by file downloads, but the API key lacks the scope "
        f"{' and '.join(missing)}",
    )


def missing_scopes(scopes: Collection[str]) -> tuple[str, ...]:
    """Those that downloads want and a key does not have; the right to write includes that to read."""
    given = {*scopes}
    if "*" in given:
        return ()
    if "batch_export:write" in given:
        given.add("batch_export:read")
    return tuple(scope for scope in DOWNLOAD_SCOPES if scope not in given)
