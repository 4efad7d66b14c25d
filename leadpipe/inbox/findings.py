"""What `leadpipe check` says of the webhook's inbox."""

from collections.abc import Iterator
from datetime import datetime

from leadpipe.cli.findings import Finding
from leadpipe.errors import LeadpipeError
from leadpipe.inbox.connecting import open_inbox, webhook_reader
from leadpipe.inbox.settings import InboxSettings
from leadpipe.posthog import PostHog
from leadpipe.published import reading
from leadpipe.settings import Settings


def findings(settings: Settings, posthog: PostHog | None, *, now: datetime) -> Iterator[Finding]:
    """What is right and wrong with it."""
    del posthog
    own = settings.of(InboxSettings)
    yield from _unconfirmed(own)
    try:
        webhook_reader(own, now=now)
        state = open_inbox(own).state() if own.inbox_path.exists() else None
    except LeadpipeError as error:
        yield Finding("wrong", "webhook", str(error))
        return
    if state is None:
        return
    waiting = f"{state.waiting:,} events wait"
    if state.dead_letters:
        text = f"{waiting}, {state.dead_letters:,} could not be read; see `leadpipe inbox dead`"
        yield Finding("warning", "inbox", text)
    else:
        yield Finding("ok", "inbox", waiting)


def _unconfirmed(settings: InboxSettings) -> Iterator[Finding]:
    try:
        (unseen,) = reading.query(
            settings.published_dir,
            "SELECT count(*) FROM unconfirmed_events WHERE seen_at IS NULL",
        ).rows[0]
    except LeadpipeError:  # nothing is published yet, or not by this version
        return
    if unseen:
        text = f"{unseen} events that PostHog does not have; see `leadpipe webhook unconfirmed`"
        yield Finding("warning", "webhook", text)
