"""What `/metrics` says of events: how syncs ended, which days are proved, how far behind we are."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import get_args

from leadpipe.events.listing import days_of
from leadpipe.events.settings import EventsSettings
from leadpipe.events.verdicts import Word
from leadpipe.web.metrics import Sample, Scrape, timestamp

METRICS = {
    "leadpipe_sync_last_success_timestamp_seconds": "When the last sync ended that succeeded.",
    "leadpipe_sync_age_seconds": "Seconds since the last sync ended that succeeded.",
    "leadpipe_sync_last_result": "How the last sync ended that is over: 1 at its result.",
    "leadpipe_runs_total": "Runs of the ledger that are over, by kind and result.",
    "leadpipe_run_events_total": "Events that runs brought, by what became of them.",
    "leadpipe_posthog_requests_total": "Requests to PostHog that runs made.",
    "leadpipe_posthog_retries_total": "Those of them that repeated another.",
    "leadpipe_posthog_rate_limits_total": "Those of them that PostHog refused as too many.",
    "leadpipe_event_dates": "Days that are to be here, by verdict.",
    "leadpipe_event_dates_differing_age_seconds": "Seconds since the first differing day did; 0 without one.",
    "leadpipe_events_lag_seconds": "Seconds since the moment up to which PostHog's events were read.",
    "leadpipe_events_newest_day_timestamp_seconds": "The beginning of the last day (UTC) that has an event.",
    "leadpipe_unconfirmed_events": "Events that the webhook brought and PostHog does not have.",
    "leadpipe_exported_files": "Files of batch exports, by state.",
}
_RESULTS = ("succeeded", "failed", "interrupted")
_SYNCS = "('scheduled', 'manual', 'backfill')"
_LAST_SYNC = f"""
    SELECT arg_max(status, finished_at) AS result,
           max(finished_at) FILTER (status = 'succeeded') AS succeeded_at
    FROM runs WHERE kind IN {_SYNCS} AND finished_at IS NOT NULL
"""
_RUNS = """
    SELECT kind, status, count(*) AS runs FROM runs WHERE finished_at IS NOT NULL GROUP BY ALL ORDER BY ALL
"""
_BROUGHT = """
    SELECT count(*) AS runs,
           coalesce(sum(events_new), 0)::BIGINT AS new,
           coalesce(sum(events_duplicate), 0)::BIGINT AS duplicate,
           coalesce(sum(events_rejected), 0)::BIGINT AS rejected,
           coalesce(sum(api_calls), 0)::BIGINT AS requests,
           coalesce(sum(retries), 0)::BIGINT AS retries,
           coalesce(sum(rate_limits), 0)::BIGINT AS rate_limits
    FROM runs
"""
_READ_UNTIL = "SELECT max(read_until) AS read_until FROM event_days"
_DAYS_WITH_EVENTS = "SELECT event_date FROM events_by_day GROUP BY ALL ORDER BY event_date DESC"
_UNCONFIRMED = "SELECT count(*) AS events FROM unconfirmed_events WHERE seen_at IS NULL"
_FILES = "SELECT state, count(*) AS files FROM exported_files GROUP BY ALL ORDER BY ALL"


def metrics(scrape: Scrape) -> Iterator[Sample]:
    """Of syncs, days, and what is not read yet; nothing before the first publication."""
    yield from _syncs(scrape)
    yield from _days(scrape)
    for row in scrape.ask(_READ_UNTIL):
        if row["read_until"] is not None:
            yield Sample("leadpipe_events_lag_seconds", scrape.seconds_since(row["read_until"]))
    today = scrape.now.astimezone(UTC).date()
    # A phone's clock that is ahead brings days that have not come.
    days = [row["event_date"] for row in scrape.ask(_DAYS_WITH_EVENTS)]
    newest = next((day for day in days if day <= today), None)
    if newest is not None:
        begins = datetime.combine(newest, time(), UTC)
        yield Sample("leadpipe_events_newest_day_timestamp_seconds", timestamp(begins))
    for row in scrape.ask(_UNCONFIRMED):
        yield Sample("leadpipe_unconfirmed_events", row["events"])
    for row in scrape.ask(_FILES):
        yield Sample("leadpipe_exported_files", row["files"], {"state": row["state"]})


def _syncs(scrape: Scrape) -> Iterator[Sample]:
    for row in scrape.ask(_LAST_SYNC):
        if row["succeeded_at"] is not None:
            at = row["succeeded_at"]
            yield Sample("leadpipe_sync_last_success_timestamp_seconds", timestamp(at))
            yield Sample("leadpipe_sync_age_seconds", scrape.seconds_since(at))
        if row["result"] is not None:
            for result in _RESULTS:
                is_it = float(row["result"] == result)
                yield Sample("leadpipe_sync_last_result", is_it, {"result": result})
    for row in scrape.ask(_RUNS):
        labels = {"kind": row["kind"], "result": row["status"]}
        yield Sample("leadpipe_runs_total", row["runs"], labels)
    for row in scrape.ask(_BROUGHT):
        for result in ("new", "duplicate", "rejected"):
            yield Sample("leadpipe_run_events_total", row[result], {"result": result})
        for name in ("requests", "retries", "rate_limits"):
            yield Sample(f"leadpipe_posthog_{name}_total", row[name])


def _days(scrape: Scrape) -> Iterator[Sample]:
    if not scrape.ask("SELECT * FROM event_days"):
        return  # the first day to load is settled by the first sync
    judged = days_of(scrape.ask, scrape.settings.of(EventsSettings), now=scrape.now)
    words = Counter(verdict.word for _, verdict in judged)
    for word in get_args(Word):
        yield Sample("leadpipe_event_dates", words[word], {"verdict": word.replace(" ", "_")})
    since = [
        facts.differs_since
        for facts, verdict in judged
        if verdict.word == "differs" and facts.differs_since
    ]
    age = scrape.seconds_since(min(since)) if since else 0.0
    yield Sample("leadpipe_event_dates_differing_age_seconds", age)
