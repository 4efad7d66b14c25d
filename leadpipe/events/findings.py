"""What `leadpipe check` says of events: whether they are sent, what the warehouse holds, what is missing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from leadpipe.cli.findings import Finding
from leadpipe.connections import connect_posthog, open_warehouse
from leadpipe.errors import ConfigurationError, LeadpipeError, PostHogError, WarehouseLocked
from leadpipe.events.connecting import event_mapping
from leadpipe.events.exported.findings import of_bucket
from leadpipe.events.lanes import MUCH, choose_lane
from leadpipe.events.listing import read_days, settings_changes
from leadpipe.events.project.findings import of_project
from leadpipe.events.settings import EventsSettings
from leadpipe.events.source import is_same, source_of
from leadpipe.events.thinning import hidden_properties
from leadpipe.events.verdicts import FROZEN, summary
from leadpipe.events.windows import EPOCH
from leadpipe.posthog import PostHog, utc_text
from leadpipe.settings import Settings
from leadpipe.warehouse import read_sql

_MOST_NAMED = 5


def findings(settings: Settings, posthog: PostHog | None, *, now: datetime) -> Iterator[Finding]:
    """What is right and wrong with it."""
    own = settings.of(EventsSettings)
    mapping = None
    try:
        mapping = event_mapping(own)
    except ConfigurationError as error:
        yield Finding("wrong", "events file", str(error))
    else:
        if own.events_path.exists():
            yield Finding("ok", "events file", f"{own.events_path}, {len(mapping.names)} events")
        if posthog is not None:
            sent = _sent(posthog, mapping.names, now)
            yield sent
            yield from of_project(
                settings, mapping, None if sent.verdict == "wrong" else posthog, now=now
            )
            if sent.verdict != "wrong":
                yield _lane(own, posthog)
            if sent.verdict != "wrong" and open_warehouse(settings).is_there:
                yield from _hidden(settings, posthog, now)
    if (bucket := of_bucket(own)) is not None:
        yield bucket
    yield from _warehouse(settings)
    if mapping is not None and open_warehouse(settings).is_there:
        yield from _days(own, mapping.names, now)


def _sent(posthog: PostHog, events: Sequence[str], now: datetime) -> Finding:
    try:
        counted = posthog.query(
            read_sql("events", "day_counts.hogql"),
            values={
                "events": list(events),
                "window_start": utc_text(now - timedelta(days=7)),
                "window_end": utc_text(now),
                "created_after": utc_text(EPOCH),
                "created_until": utc_text(now),
            },
            name="leadpipe: check",
        ).decoded()
    except PostHogError as error:
        return Finding("wrong", "queries", str(error))
    if total := sum(int(str(events)) for _, events in counted):
        return Finding("ok", "events", f"{total:,} of leadpipe's events in the last 7 days")
    return Finding(
        "warning", "events", "none of leadpipe's events in the last 7 days; are they sent?"
    )


def _lane(settings: EventsSettings, posthog: PostHog) -> Finding:
    """Which way much comes at once, and what stands in the way of a better one."""
    try:
        lane = choose_lane(
            settings.lane,
            rows=MUCH,
            has_bucket=settings.bucket is not None,
            scopes=posthog.key_scopes,
        )
    except LeadpipeError as error:
        return Finding("wrong", "lane", str(error))
    if lane.lane == "query" and settings.lane == "auto":
        return Finding("ok", "lane", f"queries; {lane.why} (Settings → Personal API keys)")
    if settings.lane != "auto":
        why = f"as LEADPIPE_LANE={settings.lane} says"
    elif lane.lane == "bucket":
        why = "as LEADPIPE_BUCKET is set"
    else:
        why = "as the key has the scope batch_export:write"
    much = f"from {MUCH:,} events on" if settings.lane == "auto" else "always"
    text = {
        "query": f"queries, {why}",
        "download": f"file downloads {much}, else queries, {why}",
        "bucket": f"batch exports in {settings.bucket}, {why}; queries bring what is not in files",
    }
    return Finding("ok", "lane", text[lane.lane])


def _hidden(settings: Settings, posthog: PostHog, now: datetime) -> Iterator[Finding]:
    """Whether the key's user sees less of the events than was seen before."""
    try:
        with replace(open_warehouse(settings), lock_timeout_seconds=0.0).connect() as connection:
            hidden = hidden_properties(posthog, connection, now=now)
    except LeadpipeError:  # told of by the other findings
        return
    if hidden:
        names = ", ".join(list(hidden)[:_MOST_NAMED])
        more = f" and {len(hidden) - _MOST_NAMED} more" if len(hidden) > _MOST_NAMED else ""
        yield Finding(
            "warning",
            "properties",
            f"PostHog no longer shows {names}{more} of events that had it when they were read: its access "
            "control may hide properties from the key's user. Make the key as a user who sees all; nothing "
            "stored was lowered, but new events come without",
        )


def _warehouse(settings: Settings) -> Iterator[Finding]:
    warehouse = replace(open_warehouse(settings), lock_timeout_seconds=0.0)
    if not warehouse.is_there:
        yield Finding("ok", "warehouse", f"{warehouse} will be made by the first sync")
        return
    try:
        with warehouse.connect() as connection:
            source = source_of(connection)
            count = connection.execute("SELECT count(*) FROM raw_events").fetchone()
    except WarehouseLocked as error:
        yield Finding("warning", "warehouse", str(error))
        return
    except LeadpipeError as error:
        yield Finding("wrong", "warehouse", str(error))
        return
    size = "" if warehouse.lake else f" {warehouse.path.stat().st_size / 1e6:,.0f} MB,"
    events = count[0] if count else 0
    holds = f"project {source[1]} of {source[0]}" if source else "no project yet"
    yield Finding("ok", "warehouse", f"{warehouse},{size} {events:,} events, {holds}")
    host = _host(settings)
    if source and host and not is_same(source, (host, settings.posthog_project_id or "")):
        yield Finding(
            "wrong",
            "warehouse",
            f"it holds project {source[1]} of {source[0]}, but project {settings.posthog_project_id} of "
            f"{host} is configured; if it is the same one under another address, say `leadpipe source "
            "moved`, else set LEADPIPE_DATA_DIR to another folder or `make clean`",
        )


def _days(settings: EventsSettings, names: Sequence[str], now: datetime) -> Iterator[Finding]:
    """Whether the days hold PostHog's events, what retention takes, and what the next sync reads anew."""
    try:
        judged = read_days(settings, now=now)
    except LeadpipeError as error:
        yield Finding("warning", "published tables", str(error))
        return
    wrong = [verdict for _, verdict in judged if verdict.is_wrong]
    yield Finding(
        "warning" if wrong else "ok",
        "completeness",
        f"{len(wrong)} days are not proved to hold PostHog's events ({summary(wrong)}); see "
        "`leadpipe days --incomplete`"
        if wrong
        else "every day read has the same events as PostHog",
    )
    if frozen := [one.event_date for one, verdict in judged if verdict.word == FROZEN]:
        yield Finding(
            "ok",
            "retention",
            f"{len(frozen)} days up to {max(frozen)} are {FROZEN}: PostHog no longer shows them; what was "
            "read of them is kept",
        )
    if changes := settings_changes(judged, names=names):
        yield Finding("warning", "settings", f"the next sync {changes}")


def _host(settings: Settings) -> str | None:
    """The host as the client would write it; None when no client can be made."""
    try:
        with connect_posthog(settings) as posthog:
            return posthog.host
    except ConfigurationError:
        return None
