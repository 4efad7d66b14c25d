"""From settings to what the core of the inbox takes: where events wait, how bodies are read."""

from datetime import datetime

from leadpipe.events.connecting import event_mapping
from leadpipe.inbox.payloads import Reader, checked_fields
from leadpipe.inbox.settings import InboxSettings
from leadpipe.inbox.store import Inbox


def open_inbox(settings: InboxSettings) -> Inbox:
    """The configured webhook inbox; opens nothing yet."""
    return Inbox(settings.inbox_path)


def webhook_reader(settings: InboxSettings, *, now: datetime) -> Reader:
    """How webhook bodies are read, as configured.

    Raises:
        ConfigurationError: the field mapping cannot be used.
    """
    mapping = event_mapping(settings)
    return Reader(
        wanted=frozenset(mapping.names),
        mapping=mapping,
        first_day=settings.first_day(now),
        fields=checked_fields(settings.webhook_fields),
    )
