"""Say good morning: read today, and tell everyone the settings name who was not told yet that day."""

from dataclasses import dataclass
from datetime import datetime

from leadpipe.alerting import alert_receivers
from leadpipe.settings import Settings
from leadpipe.today.message import message_of, subject_of
from leadpipe.today.mornings import Mornings, Sent
from leadpipe.today.reading import read_today
from leadpipe.web.settings import WebSettings
from leadpipe.zones import day_in


@dataclass(frozen=True)
class Morning:
    """A morning: its text, None where nothing can be said, and what became of it."""

    text: str | None
    sent: Sent


def page_address(settings: Settings) -> str | None:
    """Where people reach the page Today; None where only this machine does."""
    names = settings.of(WebSettings).names
    return f"https://{names[0]}/today" if names else None


def tell_morning(settings: Settings, *, now: datetime) -> Morning:
    """Send the message of the day, once to each receiver; nothing where nothing can be said.

    Args:
        settings: all sections.
        now: when (UTC).

    Raises:
        ConfigurationError: who was told cannot be kept.
    """
    said = read_today(settings, now=now)
    text = message_of(said, address=page_address(settings))
    to = alert_receivers(settings)
    if text is None or not to:
        return Morning(text, Sent())
    sent = Mornings(settings.mornings_path).send(
        text,
        to,
        subject=subject_of(said),
        day=day_in(settings.alert_timezone, now),
        now=now,
    )
    return Morning(text, sent)
